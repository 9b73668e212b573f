/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Header changes in a function's stead, checksums brought along (RFC 1624). */
#pragma once

#include "types.h"
#include <linux/tcp.h>
#include <linux/udp.h>

#define UDP_CHECK_AT 6
#define TCP_CHECK_AT 16

/* The node routes, or stands in for a function that does: `less` hops less. */
INLINE int lower_hop_limit(struct __sk_buff *skb, struct packet *p, __u8 less)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;

	if (p->family == 4) {
		struct iphdr *ip = data + ETH_HLEN;
		__u32 sum;

		if ((void *)(ip + 1) > data_end)
			return -1;
		/* The TTL is the high byte of its checksum word. */
		sum = ip->check + bpf_htons(less << 8);
		ip->check = sum + (sum >= 0xffff);
		ip->ttl -= less;
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;

		if ((void *)(ip + 1) > data_end)
			return -1;
		ip->hop_limit -= less;
	}
	p->hop_limit -= less;
	return 0;
}

/* Where the checksum of the packet's transport header is: TCP or UDP, others are not rewritten. */
INLINE __u32 checksum_at(const struct packet *p)
{
	return p->l4 + (p->key.t.proto == IPPROTO_TCP ? TCP_CHECK_AT : UDP_CHECK_AT);
}

/* A UDP checksum of 0 stays: there is none (RFC 768). */
INLINE __u64 udp_flag(const struct packet *p)
{
	return p->key.t.proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

COLD int rewrite_address(struct __sk_buff *skb, const struct packet *p, const struct addr *from,
			 const struct addr *to, __u32 at)
{
	__u32 check;
	__s64 diff;

	if (!p || !from || !to)
		return -1;
	check = checksum_at(p);
	diff = bpf_csum_diff((__be32 *)from->w, sizeof(*from), (__be32 *)to->w, sizeof(*to), 0);
	if (bpf_l4_csum_replace(skb, check, 0, diff, BPF_F_PSEUDO_HDR | udp_flag(p)))
		return -1;
	if (p->family == 6)
		return bpf_skb_store_bytes(skb, at, to->w, sizeof(to->w), 0);
	if (bpf_l3_csum_replace(skb, p->l3 + offsetof(struct iphdr, check), from->w[3], to->w[3], 4))
		return -1;
	return bpf_skb_store_bytes(skb, at, &to->w[3], sizeof(to->w[3]), 0);
}

/* `at`: offset of the port in the transport header, or of the identifier. */
COLD int rewrite_port(struct __sk_buff *skb, const struct packet *p, __be16 from, __be16 to, __u32 at)
{
	__u32 check;

	if (!p)
		return -1;
	if (from == to)
		return 0;
	check = checksum_at(p);
	if (bpf_l4_csum_replace(skb, check, from, to, sizeof(to) | udp_flag(p)))
		return -1;
	return bpf_skb_store_bytes(skb, p->l4 + at, &to, sizeof(to), 0);
}

INLINE int rewrite_dscp(struct __sk_buff *skb, struct packet *p, __u8 dscp)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;

	p->dscp = dscp;
	if (p->family == 4) {
		struct iphdr *ip = data + ETH_HLEN;
		__be16 *word = data + ETH_HLEN, old;
		__u32 sum;

		if ((void *)(ip + 1) > data_end)
			return -1;
		old = *word;
		ip->tos = dscp << 2 | (ip->tos & 3);
		sum = (__u16)~ip->check + (__u16)~old + *word;
		sum = (sum & 0xffff) + (sum >> 16);
		ip->check = ~((sum & 0xffff) + (sum >> 16));
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;

		if ((void *)(ip + 1) > data_end)
			return -1;
		ip->priority = dscp >> 2;
		ip->flow_lbl[0] = (dscp & 3) << 6 | (ip->flow_lbl[0] & 0x3f);
	}
	return 0;
}

/* The packet, untagged and no fragment, as its function would have given it back. */
FRAME int rewrite_header(struct __sk_buff *skb, struct packet *p, const struct rewrite *r)
{
	struct tuple from, to;
	__u32 src, dst;

	if (!p || !r)
		return -1;
	from = p->key.t;
	to = r->t;
	src = p->l3 + (p->family == 4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr));
	dst = p->l3 + (p->family == 4 ? offsetof(struct iphdr, daddr) : offsetof(struct ipv6hdr, daddr));
	if (rewrite_address(skb, p, &from.src, &to.src, src) ||
	    rewrite_address(skb, p, &from.dst, &to.dst, dst) || rewrite_port(skb, p, from.sport, to.sport, 0) ||
	    rewrite_port(skb, p, from.dport, to.dport, 2))
		return -1;
	if (r->set_dscp && rewrite_dscp(skb, p, to.dscp))
		return -1;
	if (r->hop_limit && lower_hop_limit(skb, p, p->hop_limit - r->hop_limit))
		return -1;
	p->key.t = to;
	p->key.t.dscp = 0;
	return 0;
}
