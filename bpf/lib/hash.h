/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tuples: hash (its twin is src/plan/hash.ts; DSCP does not count), reverse, equal. */
#pragma once

#include "types.h"

INLINE __u32 tuple_hash(const struct tuple *t)
{
	const __u32 *w = (const __u32 *)t;
	__u32 h = 0x9e3779b9;

#pragma unroll
	for (int i = 0; i < 10; i++) {
		/* The last word is proto, dscp and padding: keep proto. */
		h = (h ^ (i == 9 ? w[i] & bpf_htonl(0xff000000) : w[i])) * 0x85ebca6b;
		h ^= h >> 13;
	}
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

INLINE void tuple_reverse(struct tuple *to, const struct tuple *from)
{
	to->src = from->dst;
	to->dst = from->src;
	to->sport = from->dport;
	to->dport = from->sport;
	*(__u32 *)&to->proto = 0;
	to->proto = from->proto;
}

INLINE bool same_tuple(const struct tuple *a, const struct tuple *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	__u32 differ = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}
