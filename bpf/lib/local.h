/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is left to the kernel: what is for this node itself, and what its links
 * need. Whatever else no program redirects is dropped: the kernel routes nothing.
 */
#pragma once

#include "count.h"
#include "parse.h"

/*
 * What a link needs besides IP. Anything else could hide IP from the rules: the
 * kernel takes VLAN tags off one after the other, and then routes.
 */
INLINE int without_ip(struct __sk_buff *skb, const struct packet *p, __be16 proto)
{
	if (proto == bpf_htons(ETH_P_ARP) || proto == bpf_htons(ETH_P_LLDP) || proto == bpf_htons(ETH_P_PAE))
		return TC_ACT_OK;
	return drop(skb, p, DROP_NOT_IP, 0);
}

/*
 * Never steered, and never routed: multicast and link-local addresses the kernel
 * keeps on the link by itself, the rest has to be for this node.
 */
COLD int on_link(struct __sk_buff *skb, const struct packet *p)
{
	const struct addr *dst;

	if (!p)
		return TC_ACT_SHOT;
	dst = &p->key.t.dst;
	if (bpf_map_lookup_elem(&locals, dst) || never_routed(dst))
		return TC_ACT_OK;
	return drop(skb, p, DROP_UNOWNED, 0);
}

/* An interface of nobody's, below others or beside them: only what is for this node. */
COLD int stray(struct __sk_buff *skb, __u32 proto)
{
	struct packet p = { .l3 = ETH_HLEN };
	int verdict;

	if (skb->vlan_present)
		return TC_ACT_OK;
	verdict = parse_ip(skb, &p, proto, SCOPE_SHARED);
	if (verdict == PARSE_NOT_IP)
		return without_ip(skb, &p, proto);
	return on_link(skb, &p);
}
