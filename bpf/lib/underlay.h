/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To another node: NSH in VXLAN-GPE in UDP over IPv4, routed by the kernel's FIB. */
#pragma once

#include "deliver.h"
#include "hash.h"
#include "nsh.h"

#define UDP_PORT_FIRST 49152	/* RFC 6335: dynamic ports */
#define UNDERLAY_TTL 64

#ifndef BPF_F_ADJ_ROOM_ENCAP_L2
#define BPF_F_ADJ_ROOM_ENCAP_L2(len) (((__u64)(len) & 0xff) << 56)
#endif

#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV4
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif
#define EINVAL 22
#define EALREADY 114

/* Takes off what is between Ethernet and the inner IP header: `len` bytes. */
INLINE int decapsulate(struct __sk_buff *skb, __u32 len, __be16 proto)
{
	__u64 v6 = proto == bpf_htons(ETH_P_IPV6) ? BPF_F_ADJ_ROOM_DECAP_L3_IPV6 :
						    BPF_F_ADJ_ROOM_DECAP_L3_IPV4;
	long err = bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | v6);

	/* Kernels before 6.3 do not know the flag. */
	if (err == -EINVAL)
		err = bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	return err;
}

INLINE void ip_checksum(struct iphdr *ip)
{
	__u16 *w = (__u16 *)ip;
	__u32 sum = 0;

	ip->check = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
}

/* The frame holds an outer IP header towards node `id`: give it MACs and send it. */
FRAME int send_underlay(struct __sk_buff *skb, const struct packet *p, __u32 id, __u32 spi)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET, .ifindex = skb->ifindex, .l4_protocol = IPPROTO_UDP,
	};
	__u32 zero = 0;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct node *node = bpf_map_lookup_elem(&nodes, &id);
	long err;

	if (!cfg || !node)
		return drop(skb, p, DROP_NO_HOP, spi);
	fib.ipv4_src = cfg->underlay;
	fib.ipv4_dst = node->underlay;
	err = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);

	if (err == BPF_FIB_LKUP_RET_NO_NEIGH)
		return bpf_redirect_neigh(fib.ifindex, 0, 0, 0);
	if (err != BPF_FIB_LKUP_RET_SUCCESS)
		return drop(skb, p, DROP_EXIT_NO_ROUTE, spi);
	if (set_ethernet(skb, fib.dmac, fib.smac, bpf_htons(ETH_P_IP)))
		return drop(skb, p, DROP_TRUNCATED, spi);
	return bpf_redirect(fib.ifindex, 0);
}

/*
 * Room for the headers of a tunnel. What has been in one before, and never left this
 * machine, counts as encapsulated for good: its inner headers are where they were,
 * and its segments' type is known. Only its protocol is to be that of IPv4 again,
 * which goes with taking room away.
 */
INLINE int make_room(struct __sk_buff *skb, __u32 len, __u32 tunnel)
{
	long err = bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC,
				       BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
				       BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(tunnel));

	if (err != -EALREADY)
		return err;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	err = bpf_skb_adjust_room(skb, len + sizeof(__u32), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	return err ? err : bpf_skb_adjust_room(skb, -(__s32)sizeof(__u32), BPF_ADJ_ROOM_MAC,
					       BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_DECAP_L3_IPV4);
}

FRAME int encapsulate(struct __sk_buff *skb, const struct packet *p, __u32 id, __u32 tenant,
		      const struct place *at)
{
	struct encapsulation e = {};
	struct config *cfg;
	struct node *node;
	__u32 zero = 0, hash;

	if (!p || !at)
		return TC_ACT_SHOT;
	cfg = bpf_map_lookup_elem(&config, &zero);
	node = bpf_map_lookup_elem(&nodes, &id);
	hash = tuple_hash(&p->key.t);
	if (!cfg || !node || !node->present || !cfg->underlay)
		return drop(skb, p, DROP_NO_HOP, at->spi);
	/* Segments keep their size: the path's MTU already leaves room for the headers. */
	if (make_room(skb, sizeof(e), sizeof(e.vxlan) + sizeof(e.nsh)))
		return drop(skb, p, DROP_RESOURCES, at->spi);
	e.ip.version = 4;
	e.ip.ihl = 5;
	e.ip.tos = p->dscp << 2;
	e.ip.tot_len = bpf_htons(skb->len - ETH_HLEN);
	e.ip.frag_off = bpf_htons(IP_DF);
	e.ip.ttl = UNDERLAY_TTL;
	e.ip.protocol = IPPROTO_UDP;
	e.ip.saddr = cfg->underlay;
	e.ip.daddr = node->underlay;
	ip_checksum(&e.ip);
	e.udp.source = bpf_htons(UDP_PORT_FIRST | (hash & 0x3fff));
	e.udp.dest = cfg->vxlan_port;
	e.udp.len = bpf_htons(skb->len - ETH_HLEN - sizeof(e.ip));
	e.vxlan.flags = GPE_INSTANCE | GPE_NEXT_PROTOCOL;
	e.vxlan.next = GPE_NEXT_NSH;
	e.nsh.base.base = bpf_htons((at->metadata.unassigned & NSH_UNASSIGNED) |
				    at->ttl << NSH_TTL_SHIFT | NSH_MD1_WORDS);
	e.nsh.base.md_type = (at->metadata.unassigned & NSH_MD_UNASSIGNED) | NSH_MD1;
	e.nsh.base.next = p->family == 4 ? NSH_NEXT_IPV4 : NSH_NEXT_IPV6;
	e.nsh.base.path = bpf_htonl(at->spi << 8 | at->si);
	if (at->metadata.present) {
		__builtin_memcpy(e.nsh.context, at->metadata.context, sizeof(e.nsh.context));
	} else {
		e.nsh.context[0] = bpf_htonl(tenant);
		e.nsh.context[1] = bpf_htonl(cfg->node_id);
		e.nsh.context[2] = bpf_htonl(hash);
	}
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &e, sizeof(e), 0))
		return drop(skb, p, DROP_RESOURCES, at->spi);
	return TC_ACT_OK;
}

INLINE int send_to_node(struct __sk_buff *skb, struct packet *p, __u32 node, const struct path *path,
			const struct place *at)
{
	int verdict = encapsulate(skb, p, node, path->tenant, at);

	if (verdict != TC_ACT_OK)
		return verdict;
	return send_underlay(skb, p, node, at->spi);
}
