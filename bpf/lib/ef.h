/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * To and from the node's encryption function (EF). It takes and gives packets in
 * NSH and VXLAN-GPE on both sides, as if it were a node: so GSO super-packets are
 * segmented at its door, and it finds a packet's keys by the NSH's path.
 */
#pragma once

#include "underlay.h"

#define PACKET_OTHERHOST 3

INLINE bool through_ef(const struct hop *hop)
{
	return hop->flags & (HOP_SEALED | HOP_SIGNED);
}

INLINE struct ef *own_ef(void)
{
	__u32 zero = 0;
	struct ef *own = bpf_map_lookup_elem(&ef, &zero);

	return own && own->flags & EF_PRESENT ? own : 0;
}

INLINE int face_ef(struct __sk_buff *skb, const struct ef_side *side)
{
	return set_ethernet(skb, side->dmac, side->smac, bpf_htons(ETH_P_IP));
}

/* A packet for `node` that nobody on the way may read, or change. */
INLINE int seal(struct __sk_buff *skb, struct packet *p, __u32 node, const struct path *path,
		const struct place *at)
{
	struct ef *own = own_ef();
	int verdict;

	if (!own)
		return drop(skb, p, DROP_NO_EF, at->spi);
	verdict = encapsulate(skb, p, node, path->tenant, at);
	if (verdict != TC_ACT_OK)
		return verdict;
	if (face_ef(skb, &own->inside))
		return drop(skb, p, DROP_TRUNCATED, at->spi);
	return bpf_redirect(own->inside.ifindex, 0);
}

/* The hop of a place, whatever it is, and its index in `hops`; 0 where there is none. */
INLINE struct hop *hop_at(__u32 spi, __u8 si, __u32 *index)
{
	struct path *path = find_path(spi);

	*index = SI_START - si;
	if (!path || !si || *index > path->length)
		return 0;
	*index += path->first_hop;
	return bpf_map_lookup_elem(&hops, index);
}

/* What another node has sealed, whole in front of the EF that opens it. */
INLINE int give_to_ef(struct __sk_buff *skb, __u32 spi)
{
	struct ef *own = own_ef();

	if (!own)
		return drop(skb, 0, DROP_NO_EF, spi);
	if (face_ef(skb, &own->outside))
		return drop(skb, 0, DROP_TRUNCATED, spi);
	/* What a network card has put together is taken apart on its way through the veth. */
	if (!(own->flags & EF_TAPPED) || skb->gso_size)
		return bpf_redirect(own->outside.ifindex, 0);
	/* Straight to where it is read, without a second trip through the softirq backlog. */
	if (bpf_skb_change_type(skb, PACKET_OTHERHOST))
		return drop(skb, 0, DROP_RESOURCES, spi);
	return bpf_redirect_peer(own->outside.ifindex, 0);
}
