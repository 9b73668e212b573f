/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters and drops: every drop leaves through drop(), under one reason. */
#pragma once

#include "types.h"

#define SAMPLE_INTERVAL_NS 100000000ull

/* When each reason, and behind them each kind of event, was last sampled. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DROP_REASON_COUNT + EVENT_KINDS);
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

/* 0 where one like it was told a moment ago. */
INLINE struct event *sample(__u32 kind, __u32 reason)
{
	__u32 index = kind == EVENT_DROP ? reason : DROP_REASON_COUNT + kind;
	__u64 now = bpf_ktime_get_ns();
	__u64 *last = bpf_map_lookup_elem(&sampled, &index);
	struct event *e;

	if (!last || now - *last < SAMPLE_INTERVAL_NS)
		return 0;
	*last = now;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	e->time_ns = now;
	e->kind = kind;
	e->reason = reason;
	return e;
}

/* What has become of a flow that a function judges, by its tuple as it was given. */
COLD int tell(struct __sk_buff *skb, const struct tuple *t, const struct state *s, __u32 port, __u32 kind)
{
	struct event *e = sample(kind, DROP_NONE);

	if (!e)
		return 0;
	e->ifindex = skb->ifindex;
	e->port = port;
	e->spi = s ? s->spi : 0;
	e->tenant = s ? s->tenant : 0;
	if (t)
		e->t = *t;
	else
		__builtin_memset(&e->t, 0, sizeof(e->t));
	bpf_ringbuf_submit(e, 0);
	return 0;
}

COLD int drop(struct __sk_buff *skb, const struct packet *p, __u32 reason, __u32 spi)
{
	struct event *e = sample(EVENT_DROP, reason);

	count(&drops, reason, skb->len);
	if (!e)
		return TC_ACT_SHOT;
	e->spi = spi;
	e->ifindex = skb->ifindex;
	e->tenant = tenant_of(p, spi);
	e->port = 0;
	if (p)
		e->t = p->key.t;
	else
		__builtin_memset(&e->t, 0, sizeof(e->t));
	bpf_ringbuf_submit(e, 0);
	return TC_ACT_SHOT;
}
