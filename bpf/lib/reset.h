/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment becomes a reset, to its sender or to its receiver (RFC 9293 section
 * 3.5.2). What it carries stays: so does its checksum, whoever has to make it.
 */
#pragma once

#include "rewrite.h"

#define TCP_SEQUENCE_AT 4
#define TCP_FLAGS_AT 12
#define TCP_DATA_OFFSET 0xf000
#define TCP_RST 0x04
#define TCP_ACK 0x10

INLINE int put_word(struct __sk_buff *skb, const struct packet *p, __u32 at, __be32 from, __be32 to)
{
	return bpf_l4_csum_replace(skb, p->l4 + TCP_CHECK_AT, from, to, sizeof(to)) ||
	       bpf_skb_store_bytes(skb, p->l4 + at, &to, sizeof(to), 0);
}

/* The flags stand in one word with the header's length. */
INLINE int put_flags(struct __sk_buff *skb, const struct packet *p, __be16 from, __u16 flags)
{
	__be16 to = (from & bpf_htons(TCP_DATA_OFFSET)) | bpf_htons(flags);

	return bpf_l4_csum_replace(skb, p->l4 + TCP_CHECK_AT, from, to, sizeof(to)) ||
	       bpf_skb_store_bytes(skb, p->l4 + TCP_FLAGS_AT, &to, sizeof(to), 0);
}

/* Source and destination change places; no checksum minds. */
INLINE int turn_round(struct __sk_buff *skb, const struct packet *p, const struct addr *src,
		      const struct addr *dst, __be16 sport, __be16 dport)
{
	__be16 ports[2] = { dport, sport };

	if (bpf_skb_store_bytes(skb, p->l4, ports, sizeof(ports), 0))
		return -1;
	if (p->family == 4)
		return bpf_skb_store_bytes(skb, p->l3 + offsetof(struct iphdr, saddr), &dst->w[3], 4, 0) ||
		       bpf_skb_store_bytes(skb, p->l3 + offsetof(struct iphdr, daddr), &src->w[3], 4, 0);
	return bpf_skb_store_bytes(skb, p->l3 + offsetof(struct ipv6hdr, saddr), dst, sizeof(*dst), 0) ||
	       bpf_skb_store_bytes(skb, p->l3 + offsetof(struct ipv6hdr, daddr), src, sizeof(*src), 0);
}

INLINE bool may_reset(const struct packet *p)
{
	return p->key.t.proto == IPPROTO_TCP &&
	       !(p->flags & (PKT_TCP_RST | PKT_ICMP_ERROR | PKT_FRAGMENT_FIRST | PKT_FRAGMENT_LATER));
}

/*
 * Resets the sender, by a copy that comes in at `ifindex` as if a function had
 * answered there, and leaves a reset for the receiver. Not 0: it is to be dropped.
 */
FRAME int reset_both(struct __sk_buff *skb, const struct packet *p, __u32 ifindex)
{
	struct tcphdr tcp;
	__be16 flags;
	__be32 seq, ack;
	bool asks;

	if (!p || !may_reset(p) || bpf_skb_load_bytes(skb, p->l4, &tcp, sizeof(tcp)))
		return -1;
	__builtin_memcpy(&flags, (void *)&tcp + TCP_FLAGS_AT, sizeof(flags));
	asks = tcp.syn && !tcp.ack;
	seq = asks ? 0 : tcp.ack_seq;
	ack = asks ? bpf_htonl(bpf_ntohl(tcp.seq) + 1) : tcp.ack_seq;
	if (turn_round(skb, p, &p->key.t.src, &p->key.t.dst, tcp.source, tcp.dest) ||
	    put_word(skb, p, TCP_SEQUENCE_AT, tcp.seq, seq) ||
	    put_word(skb, p, TCP_SEQUENCE_AT + 4, tcp.ack_seq, ack) ||
	    put_flags(skb, p, flags, asks ? TCP_RST | TCP_ACK : TCP_RST) ||
	    bpf_clone_redirect(skb, ifindex, BPF_F_INGRESS) || asks)
		return -1;
	flags = (flags & bpf_htons(TCP_DATA_OFFSET)) | bpf_htons(TCP_RST);
	return turn_round(skb, p, &p->key.t.dst, &p->key.t.src, tcp.dest, tcp.source) ||
	       put_word(skb, p, TCP_SEQUENCE_AT, seq, tcp.seq) ||
	       put_word(skb, p, TCP_SEQUENCE_AT + 4, ack, tcp.ack_seq) ||
	       put_flags(skb, p, flags, TCP_RST | (tcp.ack ? TCP_ACK : 0));
}
