/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of an encryption function: read, their headers kept, and put back. */
#pragma once

#include "../xfrm.h"
#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>

#define INLINE static __always_inline

#define VXLAN_GPE_PORT 4790
/* Version, O bit off and next protocol NSH of VXLAN-GPE's first word. */
#define VXLAN_MASK 0x3d0000ff
#define VXLAN_VALUE 0x0c000004
/* Version, O bit, length of NSH; metadata type. */
#define NSH_MASK 0xe03f
#define NSH_OAM 0x2000
#define NSH_MD1_BASE 6
#define NSH_MD_MASK 0xf
#define NSH_MD1 1
#define NSH_NEXT_IPV4 1
#define NSH_NEXT_IPV6 2

#define IP_DF 0x4000
#define IP_FRAGMENT 0x3fff
#define TTL 64
#define ECN_MASK 3
#define ECN_CE 3
#define EINVAL 22
#define PACKET_HOST 0
/* RFC 4303, RFC 4106: SPI and number, IV; pad length and next header; ICV. */
#define ESP_HEADER_BYTES 16
#define ESP_TRAILER_BYTES 2
#define ESP_ICV_BYTES 16
#define ESP_ALIGNMENT 4

#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV6
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif

/* In front of the IP packet, behind Ethernet. */
struct headers {
	struct iphdr ip;
	struct udphdr udp;
	__be32 vxlan[2];
	__be16 nsh;
	__u8 md_type;
	__u8 next;
	__be32 path;
	__be32 context[4];
};

struct slot {
	struct headers headers;
	__u32 path;
	__u32 bytes;		/* out: of the packet inside */
	__u32 traffic_class;	/* in: of the header in front of ESP */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XFRM_SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} xfrm_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xfrm_next_slot SEC(".maps");

/* What is behind the headers: an IP packet. */
struct inner {
	__u32 bytes;		/* by its own header */
	__u32 header_bytes;
	__u8 version;
	__u8 protocol;
	__u8 traffic_class;
	bool fragment;
};

#define AT_PACKET (ETH_HLEN + sizeof(struct headers))

enum look {
	LOOK_TUNNEL,
	LOOK_OTHER,		/* no tunnel of ours, or no IP in it */
	LOOK_MALFORMED,
	LOOK_OAM,
};

INLINE struct xfrm_setup *setup(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&xfrm_setup, &zero);
}

INLINE struct xfrm_traffic *traffic(__u32 direction)
{
	return bpf_map_lookup_elem(&xfrm_traffic, &direction);
}

/* Reads an IP header at `at`; false where its lengths contradict the frame's. */
INLINE bool look_inside(struct __sk_buff *skb, __u32 at, struct inner *in)
{
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} ip = {};

	if (bpf_skb_load_bytes(skb, at, &ip.v4, sizeof(ip.v4)))
		return false;
	in->version = ip.v4.version;
	if (in->version == 4) {
		in->bytes = bpf_ntohs(ip.v4.tot_len);
		in->header_bytes = ip.v4.ihl * 4;
		in->protocol = ip.v4.protocol;
		in->traffic_class = ip.v4.tos;
		in->fragment = ip.v4.frag_off & bpf_htons(IP_FRAGMENT);
		if (in->header_bytes < sizeof(ip.v4))
			return false;
	} else if (in->version == 6) {
		if (bpf_skb_load_bytes(skb, at, &ip.v6, sizeof(ip.v6)))
			return false;
		in->bytes = sizeof(ip.v6) + bpf_ntohs(ip.v6.payload_len);
		in->header_bytes = sizeof(ip.v6);
		in->protocol = ip.v6.nexthdr;
		in->traffic_class = ip.v6.priority << 4 | ip.v6.flow_lbl[0] >> 4;
		in->fragment = false;
	} else {
		return false;
	}
	return in->bytes >= in->header_bytes && at + in->bytes <= skb->len;
}

/* Reads the headers of a tunnel's frame, as src/functions/ef/frame.ts does. */
INLINE enum look look(struct __sk_buff *skb, struct headers *h)
{
	__u8 first;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, h, 36) ||
	    h->ip.version != 4 || h->ip.ihl != 5 || h->ip.protocol != IPPROTO_UDP ||
	    h->udp.dest != bpf_htons(VXLAN_GPE_PORT))
		return LOOK_OTHER;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, h, sizeof(*h)) ||
	    bpf_ntohs(h->ip.tot_len) != skb->len - ETH_HLEN ||
	    bpf_ntohs(h->udp.len) != skb->len - ETH_HLEN - sizeof(h->ip) ||
	    h->ip.frag_off & bpf_htons(IP_FRAGMENT) ||
	    (h->vxlan[0] & bpf_htonl(VXLAN_MASK)) != bpf_htonl(VXLAN_VALUE))
		return LOOK_MALFORMED;
	if (h->nsh & bpf_htons(NSH_OAM))
		return LOOK_OAM;
	if ((h->nsh & bpf_htons(NSH_MASK)) != bpf_htons(NSH_MD1_BASE) ||
	    (h->md_type & NSH_MD_MASK) != NSH_MD1 || bpf_skb_load_bytes(skb, AT_PACKET, &first, 1))
		return LOOK_MALFORMED;
	if (h->next != (first >> 4 == 4 ? NSH_NEXT_IPV4 : NSH_NEXT_IPV6))
		return LOOK_OTHER;
	return first >> 4 == 4 || first >> 4 == 6 ? LOOK_TUNNEL : LOOK_OTHER;
}

/* Frees the oldest slot: long since done with, as fewer packets fit any queue. */
INLINE bool keep(struct __sk_buff *skb, const struct headers *h, __u32 bytes, __u32 class)
{
	__u32 zero = 0, index, *next = bpf_map_lookup_elem(&xfrm_next_slot, &zero);
	struct slot *slot;

	if (!next)
		return false;
	index = __sync_fetch_and_add(next, 1) & (XFRM_SLOTS - 1);
	slot = bpf_map_lookup_elem(&xfrm_slots, &index);
	if (!slot)
		return false;
	slot->headers = *h;
	slot->path = bpf_ntohl(h->path);
	slot->bytes = bytes;
	slot->traffic_class = class;
	skb->mark = slot->path;
	bpf_set_hash(skb, index);
	return true;
}

INLINE struct slot *kept(struct __sk_buff *skb)
{
	__u32 index = skb->hash & (XFRM_SLOTS - 1);
	struct slot *slot = bpf_map_lookup_elem(&xfrm_slots, &index);

	return slot && slot->path == skb->mark ? slot : 0;
}

INLINE __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Lengths of IPv4 and UDP; a checksum that was wrong stays so (RFC 1624). */
INLINE void set_length(struct headers *h, __u32 length, __u8 next)
{
	__u16 before = bpf_ntohs(h->ip.tot_len);
	__u32 sum = (__u16)~bpf_ntohs(h->ip.check) + (__u16)~before + length;

	h->ip.tot_len = bpf_htons(length);
	h->ip.check = bpf_htons(~fold(sum));
	h->udp.len = bpf_htons(length - sizeof(h->ip));
	h->udp.check = 0;
	h->next = next;
}

/* Ethernet and the headers of the slot, in front of a frame with room for them. */
INLINE bool put_back(struct __sk_buff *skb, const struct slot *slot, const struct xfrm_side *side,
		     __u8 next)
{
	struct headers h = slot->headers;
	struct ethhdr eth;

	__builtin_memcpy(eth.h_dest, side->dst, ETH_ALEN);
	__builtin_memcpy(eth.h_source, side->src, ETH_ALEN);
	eth.h_proto = bpf_htons(ETH_P_IP);
	set_length(&h, skb->len - ETH_HLEN, next);
	return !bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0);
}
