/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of a path. Replies of a known flow go back to where it came from;
 * the rest is routed by the kernel's FIB, only to an interface that its tenant
 * may use, and leaves its reverse flow there.
 */
#pragma once

#include "classify.h"
#include "deliver.h"
#include "hash.h"
#include "icmp.h"
#include "rewrite.h"

/* A learned flow of another tenant this long unused gives its tuple free. */
#define LEARNED_IDLE_NS 300000000000ull

/*
 * The node routes: one hop less. False where the packet dies of it: then it is
 * left to the stack, which says so to its sender and forwards nothing.
 */
INLINE bool ip_ttl_decrement(struct __sk_buff *skb, struct packet *p)
{
	return p->hop_limit > 1 && !lower_hop_limit(skb, p, 1);
}

/* A connection that ends takes no shortcut back: `scope` is whose its answers are here. */
COLD int end_opposite(const struct packet *p, __u32 scope)
{
	struct flow_key back = { .scope = scope };

	if (!p)
		return 0;
	tuple_reverse(&back.t, &p->key.t);
	bpf_map_delete_elem(&shortcuts, &back);
	bpf_map_delete_elem(&grants, &back);
	return 0;
}

COLD int enter_learned(const struct packet *p, const struct flow_key *back, __u32 spi, __u32 born,
		       __u32 policy)
{
	struct flow f = { .spi = spi, .born = born, .policy = policy };
	__u32 owner;

	if (!p || !back)
		return DROP_RESOURCES;
	/* Nobody leaves with an address that is another tenant's here. */
	owner = back->scope == SCOPE_SHARED ? owner_of(0, &back->t.dst, &owners) : 0;
	if (owner && owner != p->tenant)
		return DROP_EXIT_CONFLICT;
	f.tenant = p->tenant;
	f.first_seen_ns = f.last_seen_ns = now_ns();
	return bpf_map_update_elem(&flows, back, &f, BPF_ANY) ? DROP_RESOURCES : 0;
}

/*
 * What answers this packet arrives where it leaves, and takes the path `spi`, or
 * passes as long as the rules that let this one pass, `born`. An answer itself
 * teaches nothing: rules have judged what it answers, and will again. It would open
 * what they shut since, or shut for another DSCP, and hold on to a path they left.
 */
FRAME int learn(const struct packet *p, __u32 spi, __u32 born, __u32 scope, __u32 is_answer)
{
	struct flow_key back = { .scope = scope };
	__u32 policy = 0;
	struct flow *old;
	struct path *path;

	if (!p)
		return DROP_RESOURCES;
	if (spi != SPI_PASS) {
		path = find_path(spi);
		if (!path)
			return 0;
		born = path->born;
		policy = path->policy;
	}
	tuple_reverse(&back.t, &p->key.t);
	old = bpf_map_lookup_elem(&flows, &back);
	if (old && old->tenant == p->tenant) {
		if (!is_answer && (old->spi != spi || old->born != born)) {
			old->spi = spi;
			old->born = born;
			old->generation = 0;
		}
		return 0;
	}
	if (old && now_ns() - old->last_seen_ns < LEARNED_IDLE_NS)
		return DROP_EXIT_CONFLICT;
	return is_answer ? 0 : enter_learned(p, &back, spi, born, policy);
}

/* A packet of `path`, or one that the rules of a side let pass. */
INLINE int learn_answers(const struct packet *p, const struct path *path, __u32 scope, bool access)
{
	struct rule_version *now;

	if (path)
		return learn(p, path->reverse_spi, 0, scope, path->flags & PATH_REVERSE);
	now = version_of(p->tenant, access);
	return now ? learn(p, SPI_PASS, born_of_rules(now->generation, access), scope, p->flags & PKT_ANSWER) : 0;
}

INLINE bool exit_allowed(const struct iface *out, __u32 tenant)
{
	if (!out)
		return false;
	if (out->role == ROLE_EXIT)
		return !out->tenant || out->tenant == tenant;
	return out->role == ROLE_ACCESS && out->tenant == tenant;
}

/* Back to the user, by the flow's own entry: no route, so tenants may overlap. */
FRAME int exit_to_origin(struct __sk_buff *skb, struct packet *p, __u32 tenant, __u32 spi)
{
	struct flow_key origin = {};
	struct iface_key key = {};
	struct flow *f;
	__u32 mtu = 0;

	if (!p)
		return TC_ACT_SHOT;
	origin.scope = tenant;
	tuple_reverse(&origin.t, &p->key.t);
	f = bpf_map_lookup_elem(&flows, &origin);
	/* A learned entry is that of a flow from outside with the same tuple. */
	if (!f || !f->generation) {
		origin.t.pad[0] = TUPLE_ORIGIN;
		f = bpf_map_lookup_elem(&flows, &origin);
	}
	if (!f || !f->generation || f->tenant != tenant)
		return -1;
	if (p->flags & PKT_TCP_END)
		end_opposite(p, tenant);
	key.ifindex = f->ifindex;
	key.vlan = f->vlan;
	if (!exit_allowed(bpf_map_lookup_elem(&ifaces, &key), tenant))
		return drop(skb, p, DROP_EXIT_FORBIDDEN, spi);
	if (set_ethernet(skb, f->mac, f->local_mac, ethertype(p)))
		return drop(skb, p, DROP_TRUNCATED, spi);
	if (bpf_check_mtu(skb, f->ifindex, &mtu, 0, BPF_MTU_CHK_SEGS) > 0) {
		set_ethernet(skb, f->local_mac, f->mac, ethertype(p));
		return send_back(skb, p, ERROR_TOO_BIG, mtu, f->ifindex, f->vlan);
	}
	if (!ip_ttl_decrement(skb, p)) {
		set_ethernet(skb, f->local_mac, f->mac, ethertype(p));
		return send_back(skb, p, ERROR_EXPIRED, 0, f->ifindex, f->vlan);
	}
	if (f->vlan && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), f->vlan))
		return drop(skb, p, DROP_RESOURCES, spi);
	return bpf_redirect(f->ifindex, 0);
}

/* Where the node's routes lead a packet. */
struct way {
	__u32 ifindex;
	__u32 scope;		/* of what answers it there */
	__u8 dmac[6];
	__u8 smac[6];
	__u8 resolved;		/* the neighbour's MAC is known */
};

INLINE void fib_request(struct bpf_fib_lookup *fib, struct __sk_buff *skb, const struct packet *p)
{
	fib->ifindex = skb->ifindex;
	fib->l4_protocol = p->key.t.proto;
	if (p->family == 4) {
		struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;

		fib->family = AF_INET;
		if ((void *)(ip + 1) > (void *)(long)skb->data_end)
			return;
		fib->tos = ip->tos & 0x1c;
		fib->ipv4_src = ip->saddr;
		fib->ipv4_dst = ip->daddr;
	} else {
		struct ipv6hdr *ip = (void *)(long)skb->data + ETH_HLEN;

		fib->family = AF_INET6;
		if ((void *)(ip + 1) > (void *)(long)skb->data_end)
			return;
		__builtin_memcpy(fib->ipv6_src, &ip->saddr, sizeof(ip->saddr));
		__builtin_memcpy(fib->ipv6_dst, &ip->daddr, sizeof(ip->daddr));
	}
}

/* For whom a way is asked: unchained packets may also go on to other nodes. */
enum wayfarer { FOR_CHAINED, FOR_UNCHAINED, FOR_ANYBODY };

INLINE bool may_leave(const struct iface *out, __u32 tenant, __u32 who)
{
	return who == FOR_ANYBODY || exit_allowed(out, tenant) ||
	       (who == FOR_UNCHAINED && out && out->role == ROLE_UNDERLAY);
}

/* Returns 0, the reason to drop the packet, or -1: it is for this node. */
FRAME int find_way(struct __sk_buff *skb, const struct packet *p, struct way *way, __u32 who)
{
	struct bpf_fib_lookup fib = {};
	struct iface_key key = {};
	struct iface *out;
	long found;

	if (!p || !way)
		return DROP_RESOURCES;
	fib_request(&fib, skb, p);
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_NOT_FWDED && bpf_map_lookup_elem(&locals, &p->key.t.dst))
		return -1;
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return DROP_EXIT_NO_ROUTE;
	key.ifindex = fib.ifindex;
	out = bpf_map_lookup_elem(&ifaces, &key);
	if (!may_leave(out, p->tenant, who))
		return DROP_EXIT_FORBIDDEN;
	way->ifindex = fib.ifindex;
	way->scope = out ? out->scope : 0;
	way->resolved = found == BPF_FIB_LKUP_RET_SUCCESS;
	__builtin_memcpy(way->dmac, fib.dmac, sizeof(way->dmac));
	__builtin_memcpy(way->smac, fib.smac, sizeof(way->smac));
	return 0;
}

COLD int take_way(struct __sk_buff *skb, struct packet *p, const struct way *way, __u32 spi)
{
	__u32 mtu = 0, error = ERROR_EXPIRED;

	if (!p || !way)
		return TC_ACT_SHOT;
	if (bpf_check_mtu(skb, way->ifindex, &mtu, 0, BPF_MTU_CHK_SEGS) > 0)
		error = ERROR_TOO_BIG;
	else if (ip_ttl_decrement(skb, p))
		error = 0;
	if (error) {
		if (set_ethernet(skb, way->smac, way->dmac, ethertype(p)))
			return drop(skb, p, DROP_TRUNCATED, spi);
		return send_back(skb, p, error, mtu, way->ifindex, 0);
	}
	if (!way->resolved)
		return bpf_redirect_neigh(way->ifindex, 0, 0, 0);
	if (set_ethernet(skb, way->dmac, way->smac, ethertype(p)))
		return drop(skb, p, DROP_TRUNCATED, spi);
	return bpf_redirect(way->ifindex, 0);
}

/*
 * Out where the node's routes lead, if the packet's tenant may go there. `path`
 * is 0 for a packet that passes unchained, as the rules of a side let it.
 */
INLINE int exit_by_route(struct __sk_buff *skb, struct packet *p, const struct path *path, __u32 spi,
			 bool access)
{
	struct way way = {};
	int err;

	if (path)
		p->tenant = path->tenant;
	err = find_way(skb, p, &way, path ? FOR_CHAINED : FOR_UNCHAINED);
	if (err < 0)
		return TC_ACT_OK;
	if (!err && p->flags & PKT_TCP_END)
		end_opposite(p, way.scope);
	if (!err && !(p->flags & PKT_ICMP_ERROR))
		err = learn_answers(p, path, way.scope, access);
	if (err)
		return drop(skb, p, err, spi);
	return take_way(skb, p, &way, spi);
}

INLINE int leave(struct __sk_buff *skb, struct packet *p, const struct path *path, __u32 spi)
{
	if (path->flags & PATH_REVERSE) {
		int verdict = exit_to_origin(skb, p, path->tenant, spi);

		if (verdict >= 0)
			return verdict;
	}
	return exit_by_route(skb, p, path, spi, 0);
}

/* Unchained, where the rules of the side it came from let it pass. */
INLINE int pass(struct __sk_buff *skb, struct packet *p, bool access)
{
	p->key.t.dscp = 0;
	if (untag(skb, p))
		return drop(skb, p, DROP_RESOURCES, SPI_PASS);
	if (p->flags & PKT_ANSWER) {
		int verdict = exit_to_origin(skb, p, p->tenant, SPI_PASS);

		if (verdict >= 0)
			return verdict;
	}
	return exit_by_route(skb, p, 0, SPI_PASS, access);
}
