/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared with TypeScript: maps of the programs beside the kernel's ESP (xfrm.bpf.c).
 * tools/gen-layout writes src/kernel/xfrm-layout.gen.ts from it.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/*
 * Both ends of every tunnel as the kernel sees them in the EF's namespace (RFC 7335:
 * never a user's); the programs put the nodes' own addresses in their place.
 */
#define XFRM_LOCAL 0xc0000001
#define XFRM_REMOTE 0xc0000002

/* Headers that wait while the kernel has their packet; a power of two. */
#define XFRM_SLOTS 16384
#define XFRM_MAX_PATHS 65536

struct xfrm_side {
	__u8 dst[6];
	__u8 src[6];
	__u32 mtu_bytes;	/* longest frame without its Ethernet header */
	__u32 ifindex;
};

struct xfrm_setup {
	struct xfrm_side inside;
	struct xfrm_side outside;
	__u32 tunnel_ifindex;	/* of the interface that encrypts what it is given */
};

/* The outer IP header's addresses; IPv4: the first four bytes. */
struct xfrm_tunnel {
	__u8 src[16];
	__u8 dst[16];
	__u32 family;		/* 4 or 6 */
};

/* Frames of one direction: those that came out, and why others did not. */
struct xfrm_traffic {
	__u64 packets;
	__u64 bytes;		/* of the IP packets inside */
	__u64 not_ip;
	__u64 not_esp;
	__u64 malformed;
	__u64 unfinished;
	__u64 too_big;
	__u64 unknown_path;
	__u64 unknown_spi;
	__u64 wrong_path;
	__u64 congested;
	__u64 no_room;
};

/* An OAM frame that came from outside, as far as it has headers. */
#define XFRM_OAM_BYTES 74

struct xfrm_oam {
	__u8 frame[XFRM_OAM_BYTES];
};

enum xfrm_direction {
	XFRM_OUT,
	XFRM_IN,
	XFRM_DIRECTIONS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xfrm_setup);
} xfrm_setup SEC(".maps");

/* By service path header: paths that have an SA to send by. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XFRM_MAX_PATHS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct xfrm_tunnel);
} xfrm_out SEC(".maps");

/* Service path header of an SA to receive by, by its SPI. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XFRM_MAX_PATHS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} xfrm_in SEC(".maps");

/* By enum xfrm_direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XFRM_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct xfrm_traffic);
} xfrm_traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} xfrm_oam SEC(".maps");
