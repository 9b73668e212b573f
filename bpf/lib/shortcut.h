/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collapsed paths: where every function here lets a flow pass, one look-up puts
 * its packets behind all of them, with the header they would have. A shortcut
 * holds for one epoch of the node, and for a moment: then a packet walks again,
 * and the functions' states learn what has passed them by.
 */
#pragma once

#include "proxy.h"

#define SHORTCUT_NS (100 * NS_PER_MS)

/* One run's; too large for the stack. Nothing interrupts a run on its processor. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

INLINE struct walk *this_walk(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&walks, &zero);
}

/* `enters`: from elsewhere, so that what it finds may be said of the flow's next packets. */
INLINE struct walk *begin_walk(const struct packet *p, const struct path *path, const struct place *at,
			       bool enters)
{
	__u32 zero = 0;
	struct epoch *epoch = bpf_map_lookup_elem(&epochs, &zero);
	struct walk *w = this_walk();

	if (!w || !epoch)
		return 0;
	w->node = 0;
	w->packets = 0;
	w->sets_dscp = false;
	w->sets_hop_limit = false;
	w->jumps = enters && path->flags & PATH_FAR;
	/* Where nothing can be learned, nothing is skipped. */
	w->collapses = enters && epoch->learning;
	if (w->collapses | w->jumps) {
		w->epoch = epoch->now;
		w->entered = p->key;
		w->hop_limit = p->hop_limit;
		w->dscp = p->dscp;
		w->si = at->si;
	}
	return w;
}

/* What the shortcut has passed is told to the states it stood for. */
INLINE void end_shortcut(struct shortcut *cut, struct walk *w)
{
	w->packets = cut->packets;
	w->bytes = cut->bytes;
	w->next_sequence = cut->next_sequence;
	w->until_ns = cut->until_ns;
	cut->packets = 0;
	cut->bytes = 0;
	cut->epoch = 0;
}

INLINE bool shortcut_holds(const struct shortcut *cut, const struct packet *p, const struct path *path,
			   const struct place *at, const struct walk *w)
{
	return cut->epoch == w->epoch && cut->until_ns > now_ns() && cut->spi == at->spi &&
	       cut->born == path->born && cut->si == at->si && !is_control(p) &&
	       p->hop_limit > cut->hop_limit_taken && at->ttl > cut->hops;
}

/*
 * Puts the packet behind the functions it need not see: PROXY_SKIP. PROXY_GIVE: it
 * has to walk. Else the reason to drop it.
 */
INLINE int take_shortcut(struct __sk_buff *skb, struct packet *p, const struct path *path, struct place *at,
			  struct walk *w)
{
	struct shortcut *cut = bpf_map_lookup_elem(&shortcuts, &w->entered);

	if (!cut)
		return PROXY_GIVE;
	if (!shortcut_holds(cut, p, path, at, w)) {
		end_shortcut(cut, w);
		return PROXY_GIVE;
	}
	if (cut->rewrites && rewrite_header(skb, p, &cut->rewrite))
		return DROP_RESOURCES;
	if (cut->hop_limit_taken && lower_hop_limit(skb, p, cut->hop_limit_taken))
		return DROP_TRUNCATED;
	if (p->key.t.proto == IPPROTO_TCP)
		cut->next_sequence = follow_sequence(skb, p, cut->next_sequence);
	cut->packets++;
	cut->bytes += skb->len;
	count(&shortcut_counters, path->first_hop + SI_START - at->si, skb->len);
	at->si -= cut->hops;
	at->ttl -= cut->hops;
	w->collapses = false;
	return PROXY_SKIP;
}

/* The walk met functions only that let the packet pass: the flow's next one starts behind them. */
COLD int make_shortcut(const struct packet *p, const struct path *path, const struct place *at,
		       const struct walk *w)
{
	struct shortcut *cut, fresh = {};

	if (!p || !path || !at || !w)
		return 0;
	cut = bpf_map_lookup_elem(&shortcuts, &w->entered);
	if (!cut) {
		if (bpf_map_update_elem(&shortcuts, &w->entered, &fresh, BPF_ANY))
			return 0;
		cut = bpf_map_lookup_elem(&shortcuts, &w->entered);
		if (!cut)
			return 0;
	}
	cut->epoch = 0;
	cut->spi = at->spi;
	cut->born = path->born;
	cut->si = w->si;
	cut->hops = w->si - at->si;
	cut->rewrite.t = p->key.t;
	cut->rewrite.t.dscp = p->dscp;
	cut->rewrite.set_dscp = w->sets_dscp;
	cut->rewrite.hop_limit = w->sets_hop_limit ? p->hop_limit : 0;
	cut->hop_limit_taken = w->sets_hop_limit ? 0 : w->hop_limit - p->hop_limit;
	cut->rewrites = !same_tuple(&w->entered.t, &p->key.t) || w->sets_dscp || w->sets_hop_limit;
	cut->next_sequence = w->next_sequence;
	cut->until_ns = now_ns() + SHORTCUT_NS;
	cut->epoch = w->epoch;
	return 0;
}

/* Where the functions of this node end. */
INLINE void collapse(const struct packet *p, const struct path *path, const struct place *at, struct walk *w)
{
	if (w->collapses && at->si != w->si && !is_control(p))
		make_shortcut(p, path, at, w);
	w->collapses = false;
}
