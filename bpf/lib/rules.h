/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rule table: tuple-space search. Masks come highest rank first, so the search
 * ends as soon as no remaining mask can beat the best match. Twin:
 * src/plan/twin.
 */
#pragma once

#include "types.h"
#include "hash.h"

struct search {
	struct rule_key key;
	struct match packet;
	const struct rule_set *set;
	struct rule *best;
};

static long search_mask(__u32 i, struct search *s)
{
	__u32 index = s->set->first_mask + i;
	struct rule_mask *m = bpf_map_lookup_elem(&rule_masks, &index);
	const __u32 *mask, *packet = (const __u32 *)&s->packet;
	__u32 *value = (__u32 *)&s->key.value;
	struct rule *r;

	if (!m || (s->best && s->best->rank >= m->max_rank))
		return 1;
	mask = (const __u32 *)&m->mask;
#pragma unroll
	for (int w = 0; w < sizeof(struct match) / 4; w++)
		value[w] = packet[w] & mask[w];
	s->key.mask = index;
	r = bpf_map_lookup_elem(&rules, &s->key);
	if (r && (!s->best || r->rank > s->best->rank))
		s->best = r;
	return 0;
}

static __noinline struct rule *find_rule(const struct rule_set *set, const struct packet *p)
{
	struct search s = { .set = set };
	const struct tuple *t;

	if (!set || !p)
		return 0;
	t = &p->key.t;
	s.key.table = set->table;
	s.packet.src = t->src;
	s.packet.dst = t->dst;
	s.packet.proto = t->proto;
	s.packet.dscp = p->dscp;
	s.packet.icmp_type = p->icmp_type;
	s.packet.family = p->family;
	/* ICMP has no ports: its tuple carries the identifier there. */
	if (t->proto != IPPROTO_ICMP && t->proto != IPPROTO_ICMPV6) {
		s.packet.sport = t->sport;
		s.packet.dport = t->dport;
	}
	bpf_loop(set->mask_count, search_mask, &s, 0);
	return s.best;
}

/* SPI that a rule gives to a flow: its only path, or one by hash of the tuple. */
INLINE __u32 rule_spi(const struct rule *r, const struct tuple *t)
{
	struct group *g;
	__u32 slot;

	if (r->action == ACTION_PASS)
		return SPI_PASS;
	if (r->action == ACTION_DROP)
		return SPI_DROP;
	if (r->spi)
		return r->spi;
	g = bpf_map_lookup_elem(&groups, &r->group);
	slot = tuple_hash(t) % GROUP_SLOTS;
	/* The compiler knows that a remainder is in range, the verifier does not. */
	asm volatile("" : "+r"(slot));
	return g && slot < GROUP_SLOTS ? g->spi[slot] : SPI_DROP;
}
