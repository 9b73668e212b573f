/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a function gives back tells what it lets pass. Only a packet that was
 * given under the rules of now settles anything, and each settles once.
 */
#pragma once

#include "proxy.h"

/* The service's, where something may be learned from this port; else 0. */
INLINE struct service *teacher(__u32 port)
{
	struct service *sv = service_of(port);

	return sv && sv->offload ? sv : 0;
}

INLINE void note_beat(__u32 port, __u64 now)
{
	struct beat *beat = bpf_map_lookup_elem(&beats, &port);

	/* To the tick: a function under load shares this line between CPUs. */
	if (beat && beat->last_ns != now)
		beat->last_ns = now;
}

/* A reset ends both directions; this is the other one. */
INLINE void close_opposite(const struct packet *p)
{
	struct flow_key back = { .scope = p->key.scope ^ 1 };
	struct state *s;

	tuple_reverse(&back.t, &p->key.t);
	s = bpf_map_lookup_elem(&states, &back);
	if (s)
		s->verdict = VERDICT_CLOSING;
}

/* The header has changed by what no plain allow can stand for. */
INLINE bool is_rewritten(const struct packet *p, const struct state *s, const struct tuple *given)
{
	return p->dscp != s->dscp || p->hop_limit > s->hop_limit ||
	       !same_tuple(given, &p->key.t);
}

INLINE bool learn_rewrite(const struct packet *p, struct state *s, const struct flow_key *given)
{
	struct rewrite r = { .t = p->key.t };

	if (given->t.proto != p->key.t.proto)
		return false;
	if (p->dscp != s->dscp) {
		r.set_dscp = 1;
		r.t.dscp = p->dscp;
	}
	if (p->hop_limit > s->hop_limit)
		r.hop_limit = p->hop_limit;
	return !bpf_map_update_elem(&rewrites, given, &r, BPF_ANY);
}

/* The sample of a rewritten flow has to come back rewritten the same way. */
INLINE bool same_rewrite(const struct packet *p, const struct flow_key *given)
{
	struct rewrite *r = bpf_map_lookup_elem(&rewrites, given);
	struct tuple t;

	if (!r)
		return false;
	t = r->t;
	t.dscp = 0;
	return same_tuple(&t, &p->key.t);
}

/* A connection's first and last packets: begin anew, or learn nothing more. */
INLINE void settle_control(const struct packet *p, __u32 port, struct state *s,
			   const struct service *sv, __u64 now)
{
	if (out_of_window(p, s->next_sequence)) {
		count_verdict(port, COUNT_OUTSIDE_WINDOW);
	} else if (p->flags & PKT_TCP_END) {
		if (s->verdict != VERDICT_CLOSING)
			count_verdict(port, COUNT_CLOSED);
		s->verdict = VERDICT_CLOSING;
		if (p->flags & PKT_TCP_RST)
			close_opposite(p);
	} else if (p->flags & PKT_TCP_SYN && s->verdict == VERDICT_CLOSING) {
		forget(s, sv, now);
		s->until_ns = 0;
		s->delivered = 1;
		s->returned = 1;
	}
}

/*
 * A packet of `given` has come back as `p`, whose key has the port's scope and
 * the tuple of now.
 */
FRAME int settle(struct __sk_buff *skb, const struct packet *p, __u32 port, const struct flow_key *given)
{
	struct service *sv = teacher(port);
	__u64 now = now_ns();
	struct state *s;

	if (!p || !given)
		return 0;
	note_beat(port, now);
	s = bpf_map_lookup_elem(&states, given);
	if (!s || !sv)
		return 0;
	if (s->returned > s->delivered) {
		count_verdict(port, COUNT_UNASKED);
		return 0;
	}
	if (s->generation != sv->generation)
		return 0;
	if (is_control(p)) {
		settle_control(p, port, s, sv, now);
		return 0;
	}
	if (s->verdict == VERDICT_REWRITE && !same_rewrite(p, given)) {
		count_verdict(port, COUNT_REVOKED);
		tell(skb, &given->t, s, port, EVENT_REVOKED);
		forget(s, sv, now);
		return 0;
	}
	if (s->verdict == VERDICT_ALLOW || s->verdict == VERDICT_REWRITE) {
		s->vouched_ns = now;
		s->sampled_ns = 0;
		return 0;
	}
	if (s->verdict != VERDICT_PENDING || now < s->until_ns || s->returned < sv->learn_after ||
	    s->length != skb->len - ETH_HLEN)
		return 0;
	if (!is_rewritten(p, s, &given->t)) {
		s->verdict = VERDICT_ALLOW;
	} else {
		if (sv->offload != OFFLOAD_REWRITE || !learn_rewrite(p, s, given))
			return 0;
		s->verdict = VERDICT_REWRITE;
	}
	s->hop_limit_taken = p->hop_limit > s->hop_limit ? 0 : s->hop_limit - p->hop_limit;
	s->vouched_ns = now;
	s->sampled_ns = 0;
	count_verdict(port, COUNT_LEARNED);
	tell(skb, &given->t, s, port, EVENT_LEARNED);
	return 0;
}
