/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one run of a program knows of its packet. */
#pragma once

#include "../maps.h"
#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>

#define INLINE static __always_inline
/*
 * Off the common path. Global, so that the verifier walks it once and not once a
 * caller; it then believes nothing about pointers but their type, hence the
 * checks against 0.
 */
#define COLD __noinline
/* With a stack frame of its own: a program and its calls share 512 bytes. */
#define FRAME __noinline

#define ETH_P_NSH_ 0x894f	/* RFC 8300 section 7 */
#define AF_INET 2
#define AF_INET6 10
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

enum packet_flags {
	PKT_FRAGMENT_FIRST = 1,
	PKT_FRAGMENT_LATER = 2,
	PKT_ICMP_ERROR = 4,	/* the tuple is that of the packet it is about, reversed */
	PKT_TCP_SYN = 8,
	PKT_LINK_SCOPE = 16,	/* multicast, broadcast, link-local, ND: never steered */
	PKT_ANSWER = 32,	/* of a flow that was learned from the packets it answers */
	PKT_TCP_END = 64,	/* FIN or RST */
	PKT_TCP_RST = 128,
	PKT_OUTSIDE = 256,	/* of its connection's sequence numbers: says nothing of it */
	PKT_ODD = 512,		/* IP options or extension headers; TCP flags of no connection */
};

struct packet {
	struct flow_key key;
	__u32 fragment_id;
	__u16 l3;		/* offsets from the start of the frame */
	__u16 l4;
	__u16 ip_len;		/* of the IP packet; meaningless on GSO super-packets */
	__u16 flags;		/* enum packet_flags */
	__u8 family;		/* 4 or 6 */
	__u8 dscp;
	__u8 icmp_type;
	__u8 l4_len;		/* of the L4 header; ICMP error: as far as the ports inside */
	__u8 hop_limit;		/* or TTL */
	__u16 vlan;
	__u16 tenant;		/* as the classifier found; 0: not yet */
	__u32 sequence;		/* TCP */
};

/* Where a packet is on its way: what an NSH would say. */
struct place {
	__u32 spi;
	__u8 si;
	__u8 ttl;
	__u32 born;		/* of the path that a flow or state remembers; 0: any */
	struct metadata metadata;
};

/* A packet's walk along the functions of a node. */
struct walk {
	struct flow_key entered;
	__u32 epoch;		/* of the node when it began */
	__u32 node;		/* to which it goes past others; 0: to the next */
	__u32 next_sequence;
	__u32 pad;
	__u64 packets;		/* that passed the same functions by a shortcut before */
	__u64 bytes;
	__u64 until_ns;		/* of that shortcut */
	__u8 si;		/* as it began, like the next two */
	__u8 hop_limit;
	__u8 dscp;
	bool collapses;		/* no function has had a say in it yet: it may make a shortcut */
	bool jumps;		/* it may go past other nodes */
	bool sets_dscp;		/* a function skipped sets it, whatever it was */
	bool sets_hop_limit;
};

/* Monotonic, to the timer tick: enough for ages, and a tenth of the exact cost. */
INLINE __u64 now_ns(void)
{
	return bpf_ktime_get_coarse_ns();
}
