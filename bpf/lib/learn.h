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

/*
 * What the function made of a header, against that of the newest packet given. Of
 * one before it, its length was the same by chance; then the hop limit and DSCP
 * tell nothing unless no other packet is inside.
 */
INLINE struct rewrite rewrite_of(const struct packet *p, const struct state *s)
{
	struct rewrite r = { .t = p->key.t };

	r.t.dscp = p->dscp;
	r.set_dscp = p->dscp != s->dscp;
	r.hop_limit = p->hop_limit > s->hop_limit ? p->hop_limit : 0;
	return r;
}

INLINE bool is_plain(const struct packet *p, const struct state *s)
{
	return p->dscp == s->dscp && p->hop_limit <= s->hop_limit && s->hop_limit - p->hop_limit <= 1;
}

/* Whether the sample has come back as the verdict says. */
INLINE bool as_learned(const struct packet *p, const struct state *s, const struct flow_key *given)
{
	struct rewrite *r;
	struct tuple t;

	if (s->verdict == VERDICT_ALLOW)
		return same_tuple(&given->t, &p->key.t) && p->dscp == s->dscp &&
		       s->hop_limit - p->hop_limit == s->hop_limit_taken;
	r = bpf_map_lookup_elem(&rewrites, given);
	if (!r)
		return false;
	t = r->t;
	t.dscp = p->key.t.dscp;
	return same_tuple(&t, &p->key.t) && p->dscp == (r->set_dscp ? r->t.dscp : s->dscp) &&
	       (r->hop_limit ? p->hop_limit == r->hop_limit :
			       s->hop_limit - p->hop_limit == s->hop_limit_taken);
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
	struct rewrite r;
	struct state *s;

	if (!p || !given)
		return 0;
	note_beat(port, now);
	s = bpf_map_lookup_elem(&states, given);
	if (!s || !sv)
		return 0;
	if (s->returned > s->delivered) {
		s->returned = s->delivered;
		count_verdict(port, COUNT_UNASKED);
		return 0;
	}
	if (s->generation != sv->generation)
		return 0;
	if (is_control(p)) {
		settle_control(p, port, s, sv, now);
		return 0;
	}
	/* By its length it is the newest packet given, of which the state knows the header. */
	if (s->length != skb->len - ETH_HLEN)
		return 0;
	if (s->verdict == VERDICT_ALLOW || s->verdict == VERDICT_REWRITE) {
		if (as_learned(p, s, given)) {
			s->vouched_ns = now;
			s->sampled_ns = 0;
		} else if (s->returned == s->delivered) {
			revoke(skb, &given->t, port, s, sv, now);
		}
		return 0;
	}
	if (s->verdict != VERDICT_PENDING || now < s->until_ns || s->returned < sv->learn_after)
		return 0;
	if (!is_plain(p, s) && s->returned != s->delivered)
		return 0;
	r = rewrite_of(p, s);
	if (same_tuple(&given->t, &p->key.t) && !r.set_dscp && !r.hop_limit) {
		s->verdict = VERDICT_ALLOW;
	} else {
		if (sv->offload != OFFLOAD_REWRITE || given->t.proto != p->key.t.proto ||
		    bpf_map_update_elem(&rewrites, given, &r, BPF_ANY))
			return 0;
		s->verdict = VERDICT_REWRITE;
	}
	s->hop_limit_taken = r.hop_limit ? 0 : s->hop_limit - p->hop_limit;
	s->vouched_ns = now;
	s->sampled_ns = 0;
	count_verdict(port, COUNT_LEARNED);
	tell(skb, &given->t, s, port, EVENT_LEARNED);
	return 0;
}
