/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* NSH (RFC 8300) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe) as bits on the wire. */
#pragma once

#include "types.h"
#include <linux/udp.h>

#define NSH_VERSION_MASK 0xc000
#define NSH_OAM 0x2000
#define NSH_UNASSIGNED 0x1000
#define NSH_TTL_SHIFT 6
#define NSH_TTL_MASK 0x0fc0
#define NSH_LENGTH_MASK 0x003f	/* in 4-byte words */
#define NSH_MD_UNASSIGNED 0xf0	/* ahead of the metadata type */
#define NSH_MD1 1
#define NSH_MD1_WORDS 6
#define NSH_MD2 2
#define NSH_MD3 3		/* not assigned by IANA: outer header of a sealed packet */
#define NSH_MD3_WORDS 3
#define NSH_NEXT_IPV4 1
#define NSH_NEXT_IPV6 2
#define NSH_NEXT_ETHERNET 3
#define NSH_NEXT_NSH 4

#define GPE_VERSION_MASK 0x30
#define GPE_INSTANCE 0x08
#define GPE_NEXT_PROTOCOL 0x04
#define GPE_NEXT_NSH 4

struct nsh {
	__be16 base;		/* version 2, O, unassigned, TTL 6, length 6 */
	__u8 md_type;		/* low four bits */
	__u8 next;
	__be32 path;		/* SPI 24, SI 8 */
};

struct nsh_md1 {
	struct nsh base;
	__be32 context[4];	/* ours: tenant, ingress node, flow hash, 0 */
};

/*
 * What outer forwarders look at. Its path and encryption path are one here: each
 * sealed hop is a link of its own (docs/decisions/0008).
 */
struct nsh_outer {
	struct nsh base;
	__be32 encryption;	/* E-SPI 24, E-SI 8 */
};

struct vxlan_gpe {
	__u8 flags;
	__u8 reserved[2];
	__u8 next;
	__be32 vni;		/* VNI 24, reserved 8 */
};

/* What stands in front of the user's IP packet between nodes: 60 bytes. */
struct encapsulation {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_gpe vxlan;
	struct nsh_md1 nsh;
};

/* The same with a sealed packet in it. */
struct sealed_encapsulation {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_gpe vxlan;
	struct nsh_outer outer;
	struct nsh_md1 inner;
};

/* An incoming 0 counts as 64; 0 afterwards must not be forwarded (section 2.2). */
INLINE __u8 nsh_ttl_decrement(__u8 ttl)
{
	return (ttl ? ttl : 64) - 1;
}

/* What is left of a header's TTL once this forwarder took its one; 0: it must go no further. */
INLINE __u8 nsh_ttl_left(const struct nsh *nsh)
{
	return nsh_ttl_decrement((bpf_ntohs(nsh->base) & NSH_TTL_MASK) >> NSH_TTL_SHIFT);
}
