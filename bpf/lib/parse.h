/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From frame to tuple: Ethernet, VLAN, IPv4, IPv6 with extension headers, L4
 * ports. ICMP errors get the tuple of the flow they belong to; later fragments
 * that of the first.
 */
#pragma once

#include "address.h"
#include <linux/tcp.h>

#define EXTENSION_HEADERS_MAX 6
#define HEADERS_MAX 160

/* Not a drop reason: no IP, so none of our business. */
#define PARSE_NOT_IP (-1)

/* linux/icmp.h drags user-space headers in. */
struct icmp {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be16 id;		/* echo */
	__be16 sequence;
};

enum icmp_type {
	ICMP_ECHO_ANSWER = 0,
	ICMP_ECHO_ASKED = 8,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_EXCEEDED = 3,
	ICMPV6_ECHO_ASKED = 128,
	ICMPV6_ECHO_ANSWER = 129,
	ICMP_UNREACHABLE = 3,
	ICMP_QUENCH = 4,
	ICMP_REDIRECTED = 5,
	ICMP_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMPV6_INFORMATIONAL = 128,	/* and above; RFC 4443 section 2.1 */
	ICMPV6_ND_FIRST = 133,		/* RFC 4861 section 4 */
	ICMPV6_ND_LAST = 137,
};

struct ports {
	__be16 src;
	__be16 dst;
};

/* An ICMP error speaks of a packet that went the other way. */
COLD int parse_embedded(struct __sk_buff *skb, struct packet *p)
{
	struct ports ports = {};
	struct addr to;
	__u32 inner, l4;
	struct tuple *t;

	if (!p)
		return DROP_RESOURCES;
	t = &p->key.t;
	to = t->dst;
	inner = p->l4 + 8;
	if (p->family == 4) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, inner, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
			return DROP_TRUNCATED;
		addr_from_v4(&t->src, ip.daddr);
		addr_from_v4(&t->dst, ip.saddr);
		t->proto = ip.protocol;
		l4 = inner + ip.ihl * 4;
	} else {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, inner, &ip, sizeof(ip)) || ip.version != 6)
			return DROP_TRUNCATED;
		addr_from_v6(&t->src, &ip.daddr);
		addr_from_v6(&t->dst, &ip.saddr);
		t->proto = ip.nexthdr;
		l4 = inner + sizeof(ip);
	}
	/* It is for who sent that packet; else it would be routed as one and judged as another. */
	if (!same_addr(&to, &t->dst))
		return DROP_BAD_HEADER;
	switch (t->proto) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: {
		__be16 id;

		if (bpf_skb_load_bytes(skb, l4 + 4, &id, sizeof(id)))
			return DROP_TRUNCATED;
		ports.src = id;
		ports.dst = id;
		l4 += 4 + sizeof(id);
		break;
	}
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (bpf_skb_load_bytes(skb, l4, &ports, sizeof(ports)))
			return DROP_TRUNCATED;
		l4 += sizeof(ports);
		break;
	}
	t->sport = ports.dst;
	t->dport = ports.src;
	p->l4_len = l4 - p->l4;
	p->flags |= PKT_ICMP_ERROR;
	return 0;
}

INLINE bool icmp_is_error(const struct packet *p, __u8 type)
{
	if (p->family == 6)
		return type < ICMPV6_INFORMATIONAL;
	return type == ICMP_UNREACHABLE || type == ICMP_QUENCH || type == ICMP_REDIRECTED ||
	       type == ICMP_EXCEEDED || type == ICMP_PARAMETER;
}

/* ICMP type of the question to an answer of this type. */
INLINE __u8 icmp_asked(const struct packet *p, __u8 type)
{
	if (p->key.t.proto == IPPROTO_ICMP && type == ICMP_ECHO_ANSWER)
		return ICMP_ECHO_ASKED;
	if (p->key.t.proto == IPPROTO_ICMPV6 && type == ICMPV6_ECHO_ANSWER)
		return ICMPV6_ECHO_ASKED;
	return type;
}

INLINE int parse_l4(struct __sk_buff *skb, struct packet *p, void *data, void *data_end)
{
	struct tuple *t = &p->key.t;
	void *l4 = data + p->l4;

	switch (t->proto) {
	case IPPROTO_TCP: {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > data_end)
			return DROP_TRUNCATED;
		t->sport = tcp->source;
		t->dport = tcp->dest;
		p->sequence = bpf_ntohl(tcp->seq);
		if (tcp->syn)
			p->flags |= PKT_TCP_SYN;
		if (tcp->fin || tcp->rst)
			p->flags |= PKT_TCP_END;
		if (tcp->rst)
			p->flags |= PKT_TCP_RST;
		if (!tcp->ack && !tcp->syn && !tcp->rst)
			p->flags |= PKT_ODD;
		p->l4_len = tcp->doff * 4;
		return tcp->doff < 5 ? DROP_BAD_HEADER : 0;
	}
	case IPPROTO_UDP:
	case IPPROTO_SCTP: {
		struct ports *ports = l4;

		/* Both headers are at least 8 bytes. */
		if (l4 + 8 > data_end)
			return DROP_TRUNCATED;
		/* RFC 768: the length counts the header. */
		if (t->proto == IPPROTO_UDP && bpf_ntohs(((__be16 *)l4)[2]) < 8)
			return DROP_BAD_HEADER;
		t->sport = ports->src;
		t->dport = ports->dst;
		p->l4_len = 8;
		return 0;
	}
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: {
		struct icmp *icmp = l4;

		if ((void *)(icmp + 1) > data_end)
			return DROP_TRUNCATED;
		p->icmp_type = icmp->type;
		if (icmp_is_error(p, icmp->type))
			return parse_embedded(skb, p);
		/* Neighbour discovery never leaves its link. */
		if (p->family == 6 && icmp->type >= ICMPV6_ND_FIRST && icmp->type <= ICMPV6_ND_LAST)
			p->flags |= PKT_LINK_SCOPE;
		t->sport = icmp->id;
		t->dport = icmp->id;
		p->l4_len = 8;
		return 0;
	}
	}
	return 0;
}

/* Ports of a fragment: the first one leaves them for those that follow. */
COLD int parse_fragment(struct packet *p, __u32 scope)
{
	struct frag_key key = { .scope = scope };
	struct tuple *t;

	if (!p)
		return DROP_RESOURCES;
	t = &p->key.t;
	key.src = t->src;
	key.dst = t->dst;
	key.id = p->fragment_id;
	key.proto = t->proto;
	if (p->flags & PKT_FRAGMENT_FIRST) {
		struct frag frag = { t->sport, t->dport };

		bpf_map_update_elem(&frags, &key, &frag, BPF_ANY);
	} else {
		struct frag *frag = bpf_map_lookup_elem(&frags, &key);

		if (!frag)
			return DROP_NO_FRAGMENT_HEAD;
		t->sport = frag->sport;
		t->dport = frag->dport;
	}
	return 0;
}

INLINE int parse_v4(struct packet *p, void *data, void *data_end)
{
	struct iphdr *ip = data + p->l3;
	__u16 frag;

	if ((void *)(ip + 1) > data_end)
		return DROP_TRUNCATED;
	p->ip_len = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || ip->ihl < 5 || p->ip_len < ip->ihl * 4)
		return DROP_BAD_HEADER;
	p->family = 4;
	p->l4 = p->l3 + ip->ihl * 4;
	p->dscp = ip->tos >> 2;
	p->hop_limit = ip->ttl;
	addr_from_v4(&p->key.t.src, ip->saddr);
	addr_from_v4(&p->key.t.dst, ip->daddr);
	p->key.t.proto = ip->protocol;
	if (ip->ihl > 5)
		p->flags |= PKT_ODD;
	frag = bpf_ntohs(ip->frag_off);
	if (frag & (IP_MF | IP_OFFSET)) {
		p->flags |= frag & IP_OFFSET ? PKT_FRAGMENT_LATER : PKT_FRAGMENT_FIRST;
		p->fragment_id = ip->id;
	}
	if (v4_link_scope(ip->daddr))
		p->flags |= PKT_LINK_SCOPE;
	return 0;
}

/* Those that tell nothing of what is behind them; AH and mobility end the search. */
INLINE bool is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT;
}

INLINE int parse_v6(struct packet *p, void *data, void *data_end)
{
	struct ipv6hdr *ip = data + p->l3;
	__u32 off = p->l3 + sizeof(*ip);
	__u8 next;

	if ((void *)(ip + 1) > data_end)
		return DROP_TRUNCATED;
	if (ip->version != 6)
		return DROP_BAD_HEADER;
	p->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->family = 6;
	p->dscp = ip->priority << 2 | ip->flow_lbl[0] >> 6;
	p->hop_limit = ip->hop_limit;
	addr_from_v6(&p->key.t.src, &ip->saddr);
	addr_from_v6(&p->key.t.dst, &ip->daddr);
	if (v6_link_scope(&ip->daddr))
		p->flags |= PKT_LINK_SCOPE;
	next = ip->nexthdr;
	for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		__u8 *ext = data + off;

		if (!is_extension(next))
			break;
		if ((void *)(ext + 8) > data_end)
			return DROP_TRUNCATED;
		p->flags |= PKT_ODD;
		if (next == IPPROTO_FRAGMENT) {
			__u16 frag = bpf_ntohs(*(__be16 *)(ext + 2));

			/* Fragments of fragments: nobody makes them, but to hide ports. */
			if (p->flags & PKT_FRAGMENT_FIRST)
				return DROP_BAD_HEADER;
			p->fragment_id = *(__u32 *)(ext + 4);
			if (frag >> 3)
				p->flags |= PKT_FRAGMENT_LATER;
			else if (frag & 1)
				p->flags |= PKT_FRAGMENT_FIRST;
			off += 8;
		} else {
			off += (ext[1] + 1) * 8;
		}
		next = ext[0];
		if (p->flags & PKT_FRAGMENT_LATER)
			break;
	}
	/* Behind so many that nobody looks: rules for what is there would not hold. */
	if (!(p->flags & PKT_FRAGMENT_LATER) && is_extension(next))
		return DROP_BAD_HEADER;
	p->key.t.proto = next;
	p->l4 = off;
	return 0;
}

/*
 * Fills `p`, which the caller has zeroed; `p->l3` says where the IP header
 * starts, `proto` what it is, `scope` whose tuple it is. Returns 0, a drop
 * reason, or PARSE_NOT_IP.
 */
INLINE int parse_ip(struct __sk_buff *skb, struct packet *p, __be16 proto, __u32 scope)
{
	void *data, *data_end;
	__u32 end;
	int err;

	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	/* Headers may sit in a page fragment. */
	if (data + HEADERS_MAX > data_end && skb->len > data_end - data) {
		bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX);
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
	}
	p->key.scope = scope;
	if (proto == bpf_htons(ETH_P_IP))
		err = parse_v4(p, data, data_end);
	else if (proto == bpf_htons(ETH_P_IPV6))
		err = parse_v6(p, data, data_end);
	else
		return PARSE_NOT_IP;
	if (err)
		return err;
	if (!(p->flags & PKT_FRAGMENT_LATER)) {
		err = parse_l4(skb, p, data, data_end);
		if (err)
			return err;
	}
	/* What lies behind the IP packet is padding and says nothing. */
	end = (__u32)p->l3 + p->ip_len;
	if (!skb->gso_size && (end > skb->len || (__u32)p->l4 + p->l4_len > end))
		return DROP_TRUNCATED;
	if (p->flags & (PKT_FRAGMENT_FIRST | PKT_FRAGMENT_LATER))
		return parse_fragment(p, scope);
	return 0;
}

/* EtherType of the frame; sets `p->l3` and `p->vlan`. */
INLINE __be16 parse_ethernet(struct __sk_buff *skb, struct packet *p)
{
	void *data = (void *)(long)skb->data;
	struct ethhdr *eth = data;
	__be16 *inner;

	p->l3 = ETH_HLEN;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return 0;
	if (skb->vlan_present) {
		p->vlan = skb->vlan_tci & 0xfff;
		return eth->h_proto;
	}
	if (eth->h_proto != bpf_htons(ETH_P_8021Q))
		return eth->h_proto;
	inner = data + ETH_HLEN;
	if ((void *)(inner + 2) > (void *)(long)skb->data_end)
		return 0;
	p->vlan = bpf_ntohs(inner[0]) & 0xfff;
	p->l3 += 4;
	return inner[1];
}
