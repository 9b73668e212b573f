/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Forwarder (RFC 7665 SFF): walks a path from a place on it
 * as far as one run can. No NSH is written while hops are local: `place` is it.
 */
#pragma once

#include "ef.h"
#include "exit.h"
#include "far.h"
#include "reset.h"

/* The newest packet's: by what comes back of it, its function is judged. */
INLINE void note_given(struct __sk_buff *skb, const struct packet *p, struct state *s,
		       const struct path *path, const struct place *at, __u64 now)
{
	s->spi = at->spi;
	s->born = path->born;
	s->si = at->si - 1;
	s->ttl = at->ttl;
	s->metadata = at->metadata;
	s->tenant = path->tenant;
	s->last_seen_ns = now;
	s->delivered++;
	s->hop_limit = p->hop_limit;
	s->dscp = p->dscp;
	s->length = skb->len - ETH_HLEN;
	s->next_sequence = follow_sequence(skb, p, s->next_sequence);
}

COLD int enter_state(const struct packet *p, __u32 port)
{
	struct service *sv = service_of(port);
	__u64 now = now_ns();
	struct state fresh = {
		.first_seen_ns = now, .given_ns = now, .tag = bpf_get_prandom_u32() | 1,
	};

	if (!p)
		return DROP_RESOURCES;
	if (sv)
		fresh.generation = sv->generation;
	return bpf_map_update_elem(&states, &p->key, &fresh, BPF_ANY) ? DROP_RESOURCES : 0;
}

/* A packet that comes back with another tuple is known by this. */
COLD int tag_packet(struct __sk_buff *skb, const struct packet *p, __u32 tag)
{
	if (!p)
		return 0;
	bpf_map_update_elem(&tags, &tag, &p->key, BPF_ANY);
	return bpf_set_hash(skb, tag);
}

/* Remembers whose the packet is, so that it may come back out of the port; 0: no room. */
INLINE struct state *remember(struct __sk_buff *skb, const struct packet *p, const struct hop *hop,
			      const struct path *path, const struct place *at)
{
	struct state *s = bpf_map_lookup_elem(&states, &p->key);

	if (!s) {
		if (enter_state(p, hop->port))
			return 0;
		s = bpf_map_lookup_elem(&states, &p->key);
		if (!s)
			return 0;
	}
	note_given(skb, p, s, path, at, now_ns());
	return s;
}

INLINE int give_to_port(struct __sk_buff *skb, struct packet *p, const struct hop *hop,
			const struct path *path, const struct place *at)
{
	struct service *sv = service_of(hop->port);
	struct state *s = remember(skb, p, hop, path, at);

	if (!s)
		return drop(skb, p, DROP_RESOURCES, at->spi);
	if (path->flags & PATH_DSCP || (sv && sv->offload == OFFLOAD_REWRITE))
		tag_packet(skb, p, s->tag);
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

/* A function stands in the packet's way, or does not: as pass_hop(). */
INLINE int pass_function(struct __sk_buff *skb, struct packet *p, const struct path *path,
			 const struct place *at, const struct hop *hop, struct walk *w)
{
	struct service *sv = service_of(hop->port);
	int verdict;

	p->key.scope = PORT_SCOPE(hop->port, hop->side);
	if (!sv || !(sv->offload | sv->flags))
		return PROXY_GIVE;
	verdict = consult(skb, p, hop->port, w);
	if (verdict != DROP_FUNCTION_DOWN || !(sv->flags & SERVICE_RESET))
		return verdict;
	w->collapses = false;
	if (!remember(skb, p, hop, path, at) || reset_both(skb, p, hop->ifindex))
		return verdict;
	p->flags |= PKT_TCP_END | PKT_TCP_RST;
	return PROXY_SKIP;
}

/*
 * PROXY_SKIP: the packet is past the hop, and `at` its next place. PROXY_GIVE: the
 * hop is where it goes. PROXY_FAR: to the hop, or past it. Else the reason to drop it.
 */
FRAME int pass_hop(struct __sk_buff *skb, struct packet *p, const struct path *path, struct place *at,
		   const struct hop *hop)
{
	struct walk *w = this_walk();
	int verdict;

	if (!p || !path || !at || !hop || !w)
		return DROP_RESOURCES;
	switch (hop->kind) {
	case HOP_TAP:
		w->collapses = false;
		if (copy_to_tap(skb, p, hop))
			return DROP_RESOURCES;
		break;
	case HOP_PORT:
		verdict = pass_function(skb, p, path, at, hop, w);
		if (verdict != PROXY_SKIP)
			return verdict;
		break;
	case HOP_NODE:
		collapse(p, path, at, w);
		return hop->flags & HOP_FAR && w->jumps ? PROXY_FAR : PROXY_GIVE;
	case HOP_EXIT:
		collapse(p, path, at, w);
		return PROXY_GIVE;
	default:
		return PROXY_GIVE;
	}
	at->si--;
	return PROXY_SKIP;
}

/* `enters`: the packet comes from elsewhere, not out of a function of this node. */
INLINE int forward(struct __sk_buff *skb, struct packet *p, const struct path *path, struct place *at,
		   bool enters)
{
	struct walk *w;
	struct hop *hop;
	int err, verdict;

	if (path->flags & PATH_DSCP)
		p->key.t.dscp = p->dscp;
	w = begin_walk(p, path, at, enters);
	if (!w || untag(skb, p))
		return drop(skb, p, DROP_RESOURCES, at->spi);
	if (w->collapses) {
		verdict = take_shortcut(skb, p, path, at, w);
		if (verdict != PROXY_SKIP && verdict != PROXY_GIVE)
			return drop(skb, p, verdict, at->spi);
	}
	hop = next_hop(skb, path, at, &err);
	for (int i = 0; i < MAX_HOPS && hop; i++) {
		verdict = pass_hop(skb, p, path, at, hop);
		if (verdict == PROXY_FAR) {
			w->jumps = false;
			verdict = go_far(skb, p, path, at, hop->node);
			if (verdict < 0)
				return drop(skb, p, DROP_RESOURCES, at->spi);
			w->node = verdict;
			/* The path may come back here: then it goes on as if it had been away. */
			verdict = w->node && w->node == own_id() ? PROXY_SKIP : PROXY_GIVE;
		}
		if (verdict == PROXY_GIVE)
			break;
		if (verdict != PROXY_SKIP)
			return drop(skb, p, verdict, at->spi);
		hop = next_hop(skb, path, at, &err);
	}
	if (!hop)
		return drop(skb, p, err, at->spi);
	switch (hop->kind) {
	case HOP_PORT:
		return give_to_port(skb, p, hop, path, at);
	case HOP_NODE:
		if (p->flags & PKT_TCP_END)
			end_opposite(p, UNDERLAY_SCOPE(path->reverse_spi));
		if (hop->flags & (HOP_SEALED | HOP_SIGNED))
			return seal(skb, p, hop->node, path, at);
		return send_to_node(skb, p, w->node ? w->node : hop->node, path, at);
	case HOP_EXIT:
		return leave(skb, p, path, at->spi);
	}
	return drop(skb, p, DROP_NO_HOP, at->spi);
}
