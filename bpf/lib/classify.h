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

/* Where replies have to go has changed since the flow's packet before. */
INLINE bool has_moved(struct __sk_buff *skb, const struct packet *p, const struct flow *f)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return false;
	return f->ifindex != skb->ifindex || f->vlan != p->vlan ||
	       *(__u32 *)f->mac != *(__u32 *)eth->h_source ||
	       *(__u16 *)(f->mac + 4) != *(__u16 *)(eth->h_source + 4);
}

/*
 * The path that a flow remembers and may still take, not another one that was given
 * its SPI since.
 */
INLINE struct path *path_of(const struct flow *f)
{
	struct path *path = find_path(f->spi);

	return path && path->born == f->born && !(path->flags & PATH_CLOSED) ? path : 0;
}

/* Same tuple, other rules: does the flow stay where it is? */
INLINE bool flow_keeps(const struct flow *old, const struct rule *r)
{
	return old && r && r->flags & RULE_KEEP && r->action == ACTION_CHAIN &&
	       old->policy == r->policy && old->generation && path_of(old);
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

/*
 * An ICMP error is judged by the packet it quotes, and comes from anybody on that
 * packet's way; from a user's side still only from the tenant's own addresses.
 */
COLD int check_error_source(struct __sk_buff *skb, const struct packet *p, __u32 tenant)
{
	struct addr source;

	if (!p)
		return DROP_RESOURCES;
	if (p->family == 4) {
		__be32 v4;

		if (bpf_skb_load_bytes(skb, p->l3 + offsetof(struct iphdr, saddr), &v4, sizeof(v4)))
			return DROP_TRUNCATED;
		addr_from_v4(&source, v4);
	} else if (bpf_skb_load_bytes(skb, p->l3 + offsetof(struct ipv6hdr, saddr), &source, sizeof(source))) {
		return DROP_TRUNCATED;
	}
	return owner_of(tenant, &source, &subnets) ? 0 : DROP_SPOOFED;
}

/*
 * Whether a tenant's rules of a side let pass the packet that this one answers:
 * their generation, or 0.
 */
COLD __u32 judge_answered(struct packet *p, __u32 tenant, __u32 access)
{
	struct rule_set *set;
	struct tuple answer;
	__u8 dscp, type;
	struct rule *r;

	if (!p)
		return 0;
	set = rules_of(tenant, access);
	if (!set)
		return 0;
	answer = p->key.t;
	dscp = p->dscp;
	type = p->icmp_type;
	tuple_reverse(&p->key.t, &answer);
	p->dscp = 0;
	p->icmp_type = icmp_asked(p, type);
	r = find_rule(set, p);
	p->key.t = answer;
	p->dscp = dscp;
	p->icmp_type = type;
	if (r ? r->action != ACTION_PASS : set->default_drop)
		return 0;
	return set->generation;
}

/* What an answer remembers of the rules that let pass what it answers. */
INLINE __u32 born_of_rules(__u32 generation, bool access)
{
	return generation << 1 | access;
}

/*
 * Answers to what passes unchained pass as long as rules let it: the first one
 * after a change asks the rules of now.
 */
INLINE bool answer_passes(struct packet *p, struct flow *f)
{
	bool access = f->born & 1;
	struct rule_version *now = version_of(f->tenant, access);

	if (!now || !now->generation)
		return false;
	if (f->born != born_of_rules(now->generation, access))
		f->born = born_of_rules(judge_answered(p, f->tenant, access), access);
	return f->born >> 1;
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

struct judgement {
	__u32 spi;		/* or enum special_spi */
	__u32 born;
	__u32 policy;
	__u32 generation;
};

/*
 * Whose packet is it, may it have that source, what do the rules say. Returns 0,
 * or a drop reason. What no rule has judged goes nowhere but to this node itself.
 */
COLD int judge(struct packet *p, const struct iface *iface, struct judgement *j)
{
	bool access, local;
	struct rule_set *set;
	struct path *path;
	struct flow *old;
	struct rule *r;

	if (!p || !iface || !j)
		return DROP_RESOURCES;
	access = iface->role == ROLE_ACCESS;
	p->tenant = iface->tenant;
	j->spi = SPI_LOCAL;
	local = bpf_map_lookup_elem(&locals, &p->key.t.dst);
	if (access && !owner_of(p->tenant, &p->key.t.src, &subnets) &&
	    !(local && link_scope(&p->key.t.src)))
		return DROP_SPOOFED;
	if (local)
		return 0;
	if (!access && !p->tenant)
		p->tenant = owner_of(0, &p->key.t.dst, &owners);
	set = p->tenant ? rules_of(p->tenant, access) : 0;
	if (!set)
		return DROP_UNOWNED;
	j->generation = set->generation;
	r = find_rule(set, p);
	if (!r && set->default_drop)
		return DROP_DEFAULT;
	old = bpf_map_lookup_elem(&flows, &p->key);
	j->policy = r ? r->policy : 0;
	j->spi = flow_keeps(old, r) ? old->spi : r ? rule_spi(r, &p->key.t) : SPI_PASS;
	path = j->spi != SPI_DROP && j->spi != SPI_PASS ? find_path(j->spi) : 0;
	if (path)
		j->born = path->born;
	return 0;
}

COLD int enter_flow(struct __sk_buff *skb, const struct packet *p, const struct judgement *j)
{
	struct flow f = {}, *old;

	if (!p || !j)
		return 0;
	old = bpf_map_lookup_elem(&flows, &p->key);
	f.spi = j->spi;
	f.born = j->born;
	f.generation = j->generation;
	f.policy = j->policy;
	f.tenant = p->tenant;
	f.first_seen_ns = old ? old->first_seen_ns : now_ns();
	f.packets = old ? old->packets : 0;
	f.bytes = old ? old->bytes : 0;
	flow_follow(skb, p, &f);
	flow_touch(skb, &f);
	bpf_map_update_elem(&flows, &p->key, &f, BPF_ANY);
	if (p->key.t.dscp)
		enter_origin(p, &f);
	return 0;
}

/* The flow table has no current answer. Returns 0 with *spi set, or a drop reason. */
INLINE int classify_miss(struct __sk_buff *skb, struct packet *p, const struct iface *iface, __u32 *spi)
{
	struct judgement j = {};
	int err = judge(p, iface, &j);

	*spi = j.spi;
	if (err || j.spi == SPI_LOCAL)
		return err;
	enter_flow(skb, p, &j);
	return j.spi == SPI_DROP ? DROP_POLICY : 0;
}

/*
 * A learned flow has generation 0: it lives as long as its path, or as the rules
 * that let pass what it answers.
 */
INLINE bool flow_is_current(struct packet *p, struct flow *f, const struct rule_version *now)
{
	if (f->generation && (!now || f->generation != now->generation))
		return false;
	if (f->spi == SPI_DROP)
		return true;
	if (f->spi == SPI_PASS)
		return f->generation || answer_passes(p, f);
	return path_of(f);
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
	int err;

	if (access && p->flags & PKT_ICMP_ERROR) {
		err = check_error_source(skb, p, iface->tenant);
		if (err)
			return err;
	}
	if (now && now->uses_dscp)
		p->key.t.dscp = p->dscp;
	f = bpf_map_lookup_elem(&flows, &p->key);
	if (!f && p->key.t.dscp)
		f = find_learned(p);
	if (f && !access && f->generation)
		now = version_of(f->tenant, false);
	if (!f || !flow_is_current(p, f, now)) {
		/* find_learned() may have taken the DSCP out of the key. */
		p->key.t.dscp = access && now && now->uses_dscp ? p->dscp : 0;
		return classify_miss(skb, p, iface, spi);
	}
	flow_touch(skb, f);
	if (p->key.t.dscp && has_moved(skb, p, f)) {
		flow_follow(skb, p, f);
		enter_origin(p, f);
	}
	flow_follow(skb, p, f);
	if (!f->generation)
		p->flags |= PKT_ANSWER;
	p->tenant = f->tenant;
	*spi = f->spi;
	return f->spi == SPI_DROP ? DROP_POLICY : 0;
}
