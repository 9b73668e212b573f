/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Onto a wire of this node: Ethernet header, then redirect. */
#pragma once

#include "count.h"

INLINE int set_ethernet(struct __sk_buff *skb, const __u8 *dmac, const __u8 *smac, __be16 proto)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(eth->h_dest, dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, smac, ETH_ALEN);
	eth->h_proto = proto;
	return 0;
}

INLINE __be16 ethertype(const struct packet *p)
{
	return p->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* Functions and exits see untagged frames. */
INLINE int untag(struct __sk_buff *skb, struct packet *p)
{
	/* VLAN 0 is a tag, too: that of a priority. */
	if (p->l3 == ETH_HLEN && !skb->vlan_present)
		return 0;
	p->vlan = 0;
	p->l4 -= p->l3 - ETH_HLEN;
	p->l3 = ETH_HLEN;
	return bpf_skb_vlan_pop(skb);
}

/*
 * Straight into the function's namespace: no second trip through the softirq
 * backlog. Sent by hand where the host end is no veth of ours.
 */
INLINE int send_to_port(struct __sk_buff *skb, const struct packet *p, const struct hop *hop)
{
	if (set_ethernet(skb, hop->dmac, hop->smac, ethertype(p)))
		return drop(skb, p, DROP_TRUNCATED, 0);
	count(&port_counters, hop->port * 4 + (hop->side ^ 1) * 2, skb->len);
	if (hop->flags & HOP_PEER) {
		skb->mark = PORT_MARK(hop->port, hop->side ^ 1);
		return bpf_redirect_peer(hop->ifindex, 0);
	}
	return bpf_redirect(hop->ifindex, 0);
}

INLINE int copy_to_tap(struct __sk_buff *skb, const struct packet *p, const struct hop *hop)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	struct ethhdr keep;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	keep = *eth;
	if (set_ethernet(skb, hop->dmac, hop->smac, ethertype(p)))
		return -1;
	count(&port_counters, hop->port * 4, skb->len);
	if (bpf_clone_redirect(skb, hop->ifindex, 0))
		return -1;
	return set_ethernet(skb, keep.h_dest, keep.h_source, keep.h_proto);
}
