/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters and drops: every drop leaves through drop(), under one reason. */
#pragma once

#include "types.h"

#define SAMPLE_INTERVAL_NS 100000000ull

/* When each reason was last sampled. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DROP_REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} sampled SEC(".maps");

INLINE void count(void *map, __u32 index, __u32 bytes)
{
	struct counter *c = bpf_map_lookup_elem(map, &index);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

/* Whose packet it was: the path's tenant, or of a user's interface. */
INLINE __u32 tenant_of(const struct packet *p, __u32 spi)
{
	struct path *path = bpf_map_lookup_elem(&paths, &spi);

	if (spi && path && path->flags & PATH_PRESENT)
		return path->tenant;
	return p && p->key.scope < MAX_TENANTS ? p->key.scope : 0;
}

COLD int drop(struct __sk_buff *skb, const struct packet *p, __u32 reason, __u32 spi)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 *last = bpf_map_lookup_elem(&sampled, &reason);
	struct event *e;

	count(&drops, reason, skb->len);
	if (!last || now - *last < SAMPLE_INTERVAL_NS)
		return TC_ACT_SHOT;
	*last = now;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return TC_ACT_SHOT;
	e->time_ns = now;
	e->kind = EVENT_DROP;
	e->reason = reason;
	e->spi = spi;
	e->ifindex = skb->ifindex;
	e->tenant = tenant_of(p, spi);
	if (p)
		e->t = p->key.t;
	else
		__builtin_memset(&e->t, 0, sizeof(e->t));
	bpf_ringbuf_submit(e, 0);
	return TC_ACT_SHOT;
}
