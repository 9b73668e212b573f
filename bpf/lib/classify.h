/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Classifier: from tuple to path. Hit path: one look-up in the flow table.
 * Miss: whose packet is it, may it have that source, which rule; then the flow
 * is entered with the generation of the rules that judged it.
 */
#pragma once

#include "count.h"
#include "rules.h"

INLINE struct path *find_path(__u32 spi)
{
	struct path *path = bpf_map_lookup_elem(&paths, &spi);

	return path && path->flags & PATH_PRESENT ? path : 0;
}

/*
 * A flow stays on one CPU but for moments: its counters are not atomic, which
 * would cost as much as a look-up. Those of hops and ports are exact.
 */
INLINE void flow_touch(struct __sk_buff *skb, struct flow *f)
{
	f->last_seen_ns = now_ns();
	f->packets++;
	f->bytes += skb->len;
}

/* A user may have moved: replies follow the newest place its packets came from. */
INLINE void flow_follow(struct __sk_buff *skb, const struct packet *p, struct flow *f)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return;
	f->ifindex = skb->ifindex;
	f->vlan = p->vlan;
	__builtin_memcpy(f->mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(f->local_mac, eth->h_dest, ETH_ALEN);
}

/* Same tuple, other rules: does the flow stay where it is? */
INLINE bool flow_keeps(const struct flow *old, const struct rule *r)
{
	return old && r && r->flags & RULE_KEEP && r->action == ACTION_CHAIN &&
	       old->policy == r->policy && old->generation && find_path(old->spi);
}

INLINE __u32 owner_of(__u32 scope, const struct addr *a, void *trie)
{
	struct lpm_key key = { .prefixlen = 160, .scope = bpf_htonl(scope), .addr = *a };
	__u32 *owner = bpf_map_lookup_elem(trie, &key);

	return owner ? *owner : 0;
}

INLINE __u32 set_index(__u32 tenant, bool access)
{
	return tenant * 2 + (access ? SIDE_ACCESS : SIDE_EXIT);
}

/* Rules that judge a tenant's packets where this one arrived, if there are any. */
INLINE struct rule_set *rules_of(__u32 tenant, bool access)
{
	__u32 index = set_index(tenant, access);

	return bpf_map_lookup_elem(&rule_sets, &index);
}

INLINE struct rule_version *version_of(__u32 tenant, bool access)
{
	__u32 index = set_index(tenant, access);

	return bpf_map_lookup_elem(&rule_versions, &index);
}

/* Replies to a flow that passes unchained must not meet a default of drop. */
COLD int learn_pass(const struct packet *p, __u32 tenant)
{
	struct flow_key back = { .scope = SCOPE_SHARED };
	struct flow f = { .tenant = tenant, .spi = SPI_PASS };

	if (!p)
		return 0;
	f.first_seen_ns = f.last_seen_ns = now_ns();
	tuple_reverse(&back.t, &p->key.t);
	return bpf_map_update_elem(&flows, &back, &f, BPF_NOEXIST);
}

COLD int enter_origin(const struct packet *p, const struct flow *f)
{
	struct flow_key origin;

	if (!p || !f)
		return 0;
	origin = p->key;
	origin.t.dscp = 0;
	origin.t.pad[0] = TUPLE_ORIGIN;
	return bpf_map_update_elem(&flows, &origin, f, BPF_ANY);
}

/*
 * The flow table has no current answer. Returns 0 with *spi set, or a drop
 * reason. *spi is SPI_PASS for what the node's own routing shall handle.
 */
COLD int classify_miss(struct __sk_buff *skb, struct packet *p, const struct iface *iface, __u32 *spi)
{
	struct flow f = {}, *old;
	__u32 tenant;
	struct rule_set *set;
	struct rule *r;
	bool access;

	if (!p || !iface || !spi)
		return DROP_RESOURCES;
	access = iface->role == ROLE_ACCESS;
	tenant = iface->tenant;
	*spi = SPI_PASS;
	if (bpf_map_lookup_elem(&locals, &p->key.t.dst))
		return 0;
	if (!access && !tenant)
		tenant = owner_of(0, &p->key.t.dst, &owners);
	if (!tenant)
		return 0;
	if (access && !owner_of(tenant, &p->key.t.src, &subnets))
		return DROP_SPOOFED;
	set = rules_of(tenant, access);
	if (!set)
		return 0;
	r = find_rule(set, p);
	if (!r && set->default_drop)
		return DROP_DEFAULT;
	old = bpf_map_lookup_elem(&flows, &p->key);
	f.spi = flow_keeps(old, r) ? old->spi : r ? rule_spi(r, &p->key.t) : SPI_PASS;
	f.generation = set->generation;
	f.policy = r ? r->policy : 0;
	f.tenant = tenant;
	f.first_seen_ns = old ? old->first_seen_ns : now_ns();
	f.packets = old ? old->packets : 0;
	f.bytes = old ? old->bytes : 0;
	flow_follow(skb, p, &f);
	flow_touch(skb, &f);
	bpf_map_update_elem(&flows, &p->key, &f, BPF_ANY);
	if (p->key.t.dscp)
		enter_origin(p, &f);
	if (f.spi == SPI_PASS && set->default_drop)
		learn_pass(p, tenant);
	*spi = f.spi;
	return f.spi == SPI_DROP ? DROP_POLICY : 0;
}

/* A learned flow has generation 0: it lives as long as its path. */
INLINE bool flow_is_current(const struct flow *f, const struct rule_version *now)
{
	if (f->generation && (!now || f->generation != now->generation))
		return false;
	return f->spi == SPI_PASS || f->spi == SPI_DROP || find_path(f->spi);
}

/* A flow learned at an exit does not know the DSCP of what comes back. */
INLINE struct flow *find_learned(struct packet *p)
{
	__u8 dscp = p->key.t.dscp;
	struct flow *f;

	p->key.t.dscp = 0;
	f = bpf_map_lookup_elem(&flows, &p->key);
	if (f && !f->generation)
		return f;
	p->key.t.dscp = dscp;
	return 0;
}

INLINE int classify(struct __sk_buff *skb, struct packet *p, const struct iface *iface, __u32 *spi)
{
	bool access = iface->role == ROLE_ACCESS;
	struct rule_version *now = access ? version_of(iface->tenant, true) : 0;
	struct flow *f;

	if (now && now->uses_dscp)
		p->key.t.dscp = p->dscp;
	f = bpf_map_lookup_elem(&flows, &p->key);
	if (!f && p->key.t.dscp)
		f = find_learned(p);
	if (f && !access && f->generation)
		now = version_of(f->tenant, false);
	if (!f || !flow_is_current(f, now)) {
		/* find_learned() may have taken the DSCP out of the key. */
		p->key.t.dscp = access && now && now->uses_dscp ? p->dscp : 0;
		return classify_miss(skb, p, iface, spi);
	}
	flow_touch(skb, f);
	flow_follow(skb, p, f);
	*spi = f->spi;
	return f->spi == SPI_DROP ? DROP_POLICY : 0;
}
