/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * "Fragmentation needed" (RFC 792, RFC 1191), "packet too big" and "time
 * exceeded" (RFC 4443 section 3): the packet becomes its own error message.
 */
#pragma once

#include "count.h"
#include "parse.h"

#define ICMP_HEADER 8
#define V4_QUOTE_L4 20		/* bytes of L4 quoted: through TCP's checksum */
#define V4_QUOTE_MAX (60 + V4_QUOTE_L4)
#define V6_QUOTE (40 + 24)
#define ICMP_TTL 64

INLINE __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

struct icmp_error_header {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 mtu;		/* v4: low half (RFC 1191); v6: all of it */
};

enum error { ERROR_TOO_BIG = 1, ERROR_EXPIRED };

COLD int quote_v4(struct __sk_buff *skb, __u32 error, __u32 mtu)
{
	struct {
		struct iphdr ip;
		struct icmp_error_header icmp;
	} h = {};
	__u8 quote[V4_QUOTE_MAX] = {};
	struct iphdr ip;
	__u32 len;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return -1;
	len = ip.ihl * 4 + V4_QUOTE_L4;
	if (len < sizeof(ip) + V4_QUOTE_L4 || len > V4_QUOTE_MAX)
		return -1;
	if (bpf_skb_change_tail(skb, ETH_HLEN + len, 0) || bpf_skb_load_bytes(skb, ETH_HLEN, quote, len) ||
	    bpf_skb_adjust_room(skb, sizeof(h), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	h.ip.version = 4;
	h.ip.ihl = 5;
	h.ip.tot_len = bpf_htons(sizeof(h) + len);
	h.ip.ttl = ICMP_TTL;
	h.ip.protocol = IPPROTO_ICMP;
	/* As many middleboxes do: the error comes from the packet's destination. */
	h.ip.saddr = ip.daddr;
	h.ip.daddr = ip.saddr;
	h.ip.check = fold(bpf_csum_diff(0, 0, (__be32 *)&h.ip, sizeof(h.ip), 0));
	h.icmp.type = error == ERROR_TOO_BIG ? ICMP_UNREACHABLE : ICMP_EXCEEDED;
	h.icmp.code = error == ERROR_TOO_BIG ? 4 : 0;
	h.icmp.mtu = error == ERROR_TOO_BIG ? bpf_htonl(mtu & 0xffff) : 0;
	h.icmp.check = fold(bpf_csum_diff(0, 0, (__be32 *)quote, sizeof(quote),
					  bpf_csum_diff(0, 0, (__be32 *)&h.icmp, sizeof(h.icmp), 0)));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0);
}

COLD int quote_v6(struct __sk_buff *skb, __u32 error, __u32 mtu)
{
	struct {
		struct ipv6hdr ip;
		struct icmp_error_header icmp;
	} h = {};
	struct {
		struct in6_addr src;
		struct in6_addr dst;
		__be32 len;
		__be32 next;
	} pseudo = {};
	__u8 quote[V6_QUOTE];
	struct ipv6hdr *ip = (struct ipv6hdr *)quote;
	__u32 sum;

	if (bpf_skb_change_tail(skb, ETH_HLEN + V6_QUOTE, 0) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, quote, sizeof(quote)) ||
	    bpf_skb_adjust_room(skb, sizeof(h), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	h.ip.version = 6;
	h.ip.payload_len = bpf_htons(ICMP_HEADER + V6_QUOTE);
	h.ip.nexthdr = IPPROTO_ICMPV6;
	h.ip.hop_limit = ICMP_TTL;
	h.ip.saddr = pseudo.src = ip->daddr;
	h.ip.daddr = pseudo.dst = ip->saddr;
	h.icmp.type = error == ERROR_TOO_BIG ? ICMPV6_TOO_BIG : ICMPV6_EXCEEDED;
	h.icmp.mtu = error == ERROR_TOO_BIG ? bpf_htonl(mtu) : 0;
	pseudo.len = bpf_htonl(ICMP_HEADER + V6_QUOTE);
	pseudo.next = bpf_htonl(IPPROTO_ICMPV6);
	sum = bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	sum = bpf_csum_diff(0, 0, (__be32 *)&h.icmp, sizeof(h.icmp), sum);
	h.icmp.check = fold(bpf_csum_diff(0, 0, (__be32 *)quote, sizeof(quote), sum));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0);
}

/*
 * The packet, which is one of ours no more, becomes an error about itself. It
 * counts as dropped.
 */
COLD int become_error(struct __sk_buff *skb, const struct packet *p, __u32 error, __u32 mtu)
{
	if (!p)
		return -1;
	drop(skb, p, error == ERROR_TOO_BIG ? DROP_TOO_BIG : DROP_EXPIRED, 0);
	/* Never an error about an error (RFC 1122 section 3.2.2). */
	if (p->flags & (PKT_ICMP_ERROR | PKT_FRAGMENT_LATER) || p->l3 != ETH_HLEN)
		return -1;
	return p->family == 4 ? quote_v4(skb, error, mtu) : quote_v6(skb, error, mtu);
}

/* Straight out of the interface it came by; MACs are those of the way back. */
INLINE int send_error(struct __sk_buff *skb, const struct packet *p, __u32 error, __u32 mtu, __u32 ifindex)
{
	if (become_error(skb, p, error, mtu))
		return TC_ACT_SHOT;
	return bpf_redirect(ifindex, 0);
}

/* Comes in at `ifindex` as if from the next hop, and so walks its flow's path back. */
INLINE int send_back(struct __sk_buff *skb, const struct packet *p, __u32 error, __u32 mtu, __u32 ifindex,
		     __u16 vlan)
{
	if (become_error(skb, p, error, mtu) ||
	    (vlan && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vlan)))
		return TC_ACT_SHOT;
	return bpf_redirect(ifindex, BPF_F_INGRESS);
}
