/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Forwarder (RFC 7665 SFF) and stateless proxy: walks a path from a place on it
 * as far as one run can. No NSH is written while hops are local: `place` is it.
 */
#pragma once

#include "exit.h"
#include "underlay.h"

/* Remembers whose the packet is, so that it may come back out of the port. */
INLINE int give_to_port(struct __sk_buff *skb, struct packet *p, const struct hop *hop,
			const struct path *path, const struct place *at)
{
	__u64 now = now_ns();
	struct state *s;

	p->key.scope = PORT_SCOPE(hop->port, hop->side);
	s = bpf_map_lookup_elem(&states, &p->key);
	if (s) {
		s->spi = at->spi;
		s->born = path->born;
		s->si = at->si - 1;
		s->ttl = at->ttl;
		s->tenant = path->tenant;
		s->metadata = at->metadata;
		s->last_seen_ns = now;
		s->delivered++;
	} else {
		struct state fresh = {
			.spi = at->spi, .born = path->born, .si = at->si - 1, .ttl = at->ttl, .tenant = path->tenant,
			.first_seen_ns = now, .last_seen_ns = now, .delivered = 1,
			.metadata = at->metadata,
		};

		if (bpf_map_update_elem(&states, &p->key, &fresh, BPF_ANY))
			return drop(skb, p, DROP_RESOURCES, at->spi);
	}
	return send_to_port(skb, p, hop);
}

/* The hop that serves this place; 0 and a reason in *err where there is none. */
INLINE struct hop *next_hop(struct __sk_buff *skb, const struct path *path, struct place *at, int *err)
{
	__u32 index = SI_START - at->si;
	struct hop *hop;

	*err = DROP_SI_ZERO;
	if (!at->si)
		return 0;
	at->ttl = nsh_ttl_decrement(at->ttl);
	*err = DROP_TTL_ZERO;
	if (!at->ttl)
		return 0;
	*err = DROP_NO_HOP;
	if (index > path->length)
		return 0;
	index += path->first_hop;
	hop = bpf_map_lookup_elem(&hops, &index);
	if (hop)
		count(&hop_counters, index, skb->len);
	return hop;
}

INLINE int forward(struct __sk_buff *skb, struct packet *p, const struct path *path, struct place *at)
{
	struct hop *hop;
	int err;

	if (untag(skb, p))
		return drop(skb, p, DROP_RESOURCES, at->spi);
	hop = next_hop(skb, path, at, &err);
	for (int i = 0; i < MAX_HOPS && hop && hop->kind == HOP_TAP; i++) {
		if (copy_to_tap(skb, p, hop))
			return drop(skb, p, DROP_RESOURCES, at->spi);
		at->si--;
		hop = next_hop(skb, path, at, &err);
	}
	if (!hop)
		return drop(skb, p, err, at->spi);
	switch (hop->kind) {
	case HOP_PORT:
		return give_to_port(skb, p, hop, path, at);
	case HOP_NODE:
		return send_to_node(skb, p, hop, path, at);
	case HOP_EXIT:
		return leave(skb, p, path, at->spi);
	}
	return drop(skb, p, DROP_NO_HOP, at->spi);
}
