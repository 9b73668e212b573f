/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stateful proxy: what a function has said of a flow decides whether the flow's
 * next packet has to see it again. What is not certain goes to the function.
 */
#pragma once

#include "count.h"
#include "rewrite.h"

#define NS_PER_MS 1000000ull

/* Beside these, consult() returns the reason to drop the packet. */
enum proxy {
	PROXY_SKIP = 0,
	PROXY_GIVE = -1,
	PROXY_FAR = -2,
};

INLINE struct service *service_of(__u32 port)
{
	return bpf_map_lookup_elem(&services, &port);
}

INLINE void count_verdict(__u32 port, __u32 what)
{
	__u32 index = port * COUNT_KINDS + what;
	struct tally *tally = bpf_map_lookup_elem(&verdict_counters, &index);

	if (tally)
		tally->count++;
}

/* Another processor may be a tick ahead. */
INLINE bool older(__u64 then, __u64 now, __u64 than)
{
	return (__s64)(now - then) > (__s64)than;
}

INLINE __u64 idle_ns(const struct service *sv, __u8 proto)
{
	return (proto == IPPROTO_TCP ? sv->idle_tcp_ms : sv->idle_udp_ms) * NS_PER_MS;
}

/* Whether the function has given back anything since: silence is no verdict. */
INLINE bool alive_since(__u32 port, __u64 since)
{
	struct beat *beat = bpf_map_lookup_elem(&beats, &port);

	return beat && beat->last_ns > since;
}

/*
 * Nothing is known of the flow any more. A packet that is still inside was judged
 * by what held before: for a deadline nothing settles.
 */
INLINE void forget(struct state *s, const struct service *sv, __u64 now)
{
	s->verdict = VERDICT_PENDING;
	s->generation = sv->generation;
	s->delivered = 0;
	s->returned = 0;
	s->given_ns = now;
	s->vouched_ns = 0;
	s->sampled_ns = 0;
	s->until_ns = now + sv->deadline_ms * NS_PER_MS;
	s->tag = bpf_get_prandom_u32() | 1;
}

/* Shortcuts past the function may be of the flow: all of the node end. */
INLINE void revoke(struct __sk_buff *skb, const struct tuple *given, __u32 port, struct state *s,
		   const struct service *sv, __u64 now)
{
	__u32 zero = 0;
	struct epoch *epoch = bpf_map_lookup_elem(&epochs, &zero);

	count_verdict(port, COUNT_REVOKED);
	tell(skb, given, s, port, EVENT_REVOKED);
	forget(s, sv, now);
	if (epoch)
		__sync_fetch_and_add(&epoch->now, 1);
}

/* A FIN or RST may be that far from the next byte expected (RFC 5961 asks for 0). */
#define SEQUENCE_SLACK 65536

/* Behind the highest byte of `next` and of this packet; `next` is 0 where none is known. */
INLINE __u32 follow_sequence(struct __sk_buff *skb, const struct packet *p, __u32 next)
{
	__u32 length = skb->gso_size ? skb->len - p->l3 : p->ip_len;
	__u32 end = p->sequence + length - (p->l4 - p->l3 + p->l4_len) + !!(p->flags & PKT_TCP_SYN);

	if (p->key.t.proto != IPPROTO_TCP || p->flags & (PKT_ICMP_ERROR | PKT_FRAGMENT_LATER | PKT_OUTSIDE))
		return next;
	return !next || p->flags & PKT_TCP_SYN || (__s32)(end - next) > 0 ? end : next;
}

/* A FIN or RST that no endpoint can have sent: it ends nothing, and its receiver ignores it. */
INLINE bool out_of_window(const struct packet *p, __u32 next)
{
	__s32 ahead = p->sequence - next;

	return p->flags & PKT_TCP_END && !(p->flags & PKT_TCP_SYN) && next &&
	       (ahead > SEQUENCE_SLACK || ahead < -SEQUENCE_SLACK);
}

/*
 * What only the function can judge: a connection's begin and end; fragments, which
 * may be put together to another packet than their ports say; headers that kernels
 * treat in ways of their own; and all but TCP and UDP, of which a tuple says too
 * little: two packets with the same may be a question and an answer.
 */
INLINE bool is_control(const struct packet *p)
{
	return p->flags & (PKT_TCP_SYN | PKT_TCP_END | PKT_ICMP_ERROR | PKT_FRAGMENT_FIRST |
			   PKT_FRAGMENT_LATER | PKT_ODD) ||
	       (p->key.t.proto != IPPROTO_TCP && p->key.t.proto != IPPROTO_UDP);
}

INLINE void note_skipped(struct __sk_buff *skb, const struct packet *p, __u32 port, struct state *s,
			 struct walk *w, __u64 now)
{
	s->last_seen_ns = now;
	s->skipped++;
	s->skipped_bytes += skb->len;
	s->next_sequence = follow_sequence(skb, p, s->next_sequence);
	w->next_sequence = s->next_sequence;
	count_verdict(port, COUNT_SKIPPED);
}

/* What passed the function by a shortcut since the last walk. */
INLINE void note_bulk(__u32 port, struct state *s, const struct walk *w, __u64 now)
{
	__u32 index = port * COUNT_KINDS + COUNT_SKIPPED;
	struct tally *tally = bpf_map_lookup_elem(&verdict_counters, &index);

	s->skipped += w->packets;
	s->skipped_bytes += w->bytes;
	/* When its last packet may have come at the latest. */
	s->last_seen_ns = now < w->until_ns ? now : w->until_ns;
	s->next_sequence = w->next_sequence;
	if (tally)
		tally->count += w->packets;
}

INLINE int consult_learned(struct __sk_buff *skb, struct packet *p, __u32 port, struct state *s,
			   const struct service *sv, struct walk *w, __u64 now)
{
	if (out_of_window(p, s->next_sequence)) {
		p->flags &= ~(PKT_TCP_END | PKT_TCP_RST);
		p->flags |= PKT_OUTSIDE;
		count_verdict(port, COUNT_OUTSIDE_WINDOW);
	}
	/* From when it last vouched: the function itself may have forgotten the flow. */
	if (older(s->vouched_ns, now, idle_ns(sv, p->key.t.proto))) {
		count_verdict(port, COUNT_EXPIRED);
		forget(s, sv, now);
		return PROXY_GIVE;
	}
	if (is_control(p) || p->hop_limit <= s->hop_limit_taken)
		return PROXY_GIVE;
	/* A sample that is overdue: no packet skips until one comes back. */
	if (s->sampled_ns && older(s->sampled_ns, now, sv->deadline_ms * NS_PER_MS)) {
		if (!alive_since(port, s->sampled_ns))
			return PROXY_GIVE;
		revoke(skb, &p->key.t, port, s, sv, now);
		return PROXY_GIVE;
	}
	if (!s->sampled_ns && older(s->vouched_ns, now, sv->revalidate_ms * NS_PER_MS)) {
		s->sampled_ns = now;
		return PROXY_GIVE;
	}
	if (s->verdict == VERDICT_REWRITE) {
		struct rewrite *r = bpf_map_lookup_elem(&rewrites, &p->key);

		if (!r)
			return PROXY_GIVE;
		w->sets_dscp |= r->set_dscp;
		w->sets_hop_limit |= !!r->hop_limit;
		if (rewrite_header(skb, p, r))
			return DROP_RESOURCES;
	}
	if (s->hop_limit_taken && lower_hop_limit(skb, p, s->hop_limit_taken))
		return DROP_TRUNCATED;
	note_skipped(skb, p, port, s, w, now);
	return PROXY_SKIP;
}

/* Denied once nothing comes back of a flow, and of what was sent again. */
INLINE int consult_pending(struct __sk_buff *skb, const struct packet *p, __u32 port, struct state *s,
			   const struct service *sv, __u64 now)
{
	if (s->returned || s->delivered < 2 || !older(s->given_ns, now, sv->deadline_ms * NS_PER_MS) ||
	    !alive_since(port, s->given_ns))
		return PROXY_GIVE;
	s->verdict = VERDICT_DENY;
	s->until_ns = now + sv->deny_ms * NS_PER_MS;
	count_verdict(port, COUNT_DENIED);
	tell(skb, &p->key.t, s, port, EVENT_DENIED);
	return DROP_DENIED;
}

/*
 * Whether the packet, whose key has the port's scope, has to see the function.
 * PROXY_SKIP: it need not, and looks as if it had.
 */
FRAME int consult(struct __sk_buff *skb, struct packet *p, __u32 port, struct walk *w)
{
	struct service *sv = service_of(port);
	__u64 now = now_ns();
	struct state *s;

	if (!p || !w || !sv)
		return PROXY_GIVE;
	if (sv->flags & SERVICE_DOWN) {
		if (!(sv->flags & SERVICE_FAIL_OPEN))
			return DROP_FUNCTION_DOWN;
		/* Each is counted: none takes a shortcut. */
		w->collapses = false;
		count_verdict(port, COUNT_FAILED_OPEN);
		return PROXY_SKIP;
	}
	s = bpf_map_lookup_elem(&states, &p->key);
	if (!s)
		return PROXY_GIVE;
	if (w->packets)
		note_bulk(port, s, w, now);
	if (s->generation != sv->generation) {
		if (s->verdict != VERDICT_PENDING)
			count_verdict(port, COUNT_EXPIRED);
		forget(s, sv, now);
		return PROXY_GIVE;
	}
	switch (s->verdict) {
	case VERDICT_ALLOW:
	case VERDICT_REWRITE:
		return consult_learned(skb, p, port, s, sv, w, now);
	case VERDICT_DENY:
		if (now < s->until_ns)
			return DROP_DENIED;
		forget(s, sv, now);
		s->until_ns = 0;
		return PROXY_GIVE;
	case VERDICT_PENDING:
		return consult_pending(skb, p, port, s, sv, now);
	}
	return PROXY_GIVE;
}
