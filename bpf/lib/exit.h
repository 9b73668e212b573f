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

/* A learned flow of another tenant this long unused gives its tuple free. */
#define LEARNED_IDLE_NS 300000000000ull

/*
 * The node routes: one hop less. False where the packet dies of it: then it is
 * left to the stack, which says so to its sender and forwards nothing.
 */
INLINE bool ip_ttl_decrement(struct __sk_buff *skb, const struct packet *p)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;

	if (p->family == 4) {
		struct iphdr *ip = data + ETH_HLEN;
		__u32 sum;

		if ((void *)(ip + 1) > data_end || ip->ttl <= 1)
			return false;
		/* RFC 1624: the TTL is the high byte of its checksum word. */
		sum = ip->check + bpf_htons(0x0100);
		ip->check = sum + (sum >= 0xffff);
		ip->ttl--;
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;

		if ((void *)(ip + 1) > data_end || ip->hop_limit <= 1)
			return false;
		ip->hop_limit--;
	}
	return true;
}

/*
 * Replies that arrive where this packet leaves walk the path back. A reply itself
 * changes nothing about a flow that rules have judged here: it would open again
 * what they shut, and hold on to a path they have left.
 */
FRAME int learn_reverse(const struct packet *p, const struct path *path, __u32 scope, __u32 ifindex)
{
	struct flow_key back = { .scope = scope };
	struct flow f = {}, *old;
	__u64 now = now_ns();

	if (!p || !path)
		return DROP_RESOURCES;
	tuple_reverse(&back.t, &p->key.t);
	old = bpf_map_lookup_elem(&flows, &back);
	if (old && old->tenant == path->tenant) {
		if (old->spi != path->reverse_spi && !(path->flags & PATH_REVERSE && old->generation)) {
			old->spi = path->reverse_spi;
			old->generation = 0;
		}
		return 0;
	}
	if (old && now - old->last_seen_ns < LEARNED_IDLE_NS)
		return DROP_EXIT_CONFLICT;
	f.spi = path->reverse_spi;
	f.policy = path->policy;
	f.tenant = path->tenant;
	f.ifindex = ifindex;
	f.first_seen_ns = f.last_seen_ns = now;
	bpf_map_update_elem(&flows, &back, &f, BPF_ANY);
	return 0;
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
FRAME int exit_to_origin(struct __sk_buff *skb, struct packet *p, const struct path *path)
{
	struct flow_key origin = {};
	struct flow *f;
	__u32 mtu = 0;

	if (!p || !path)
		return TC_ACT_SHOT;
	origin.scope = path->tenant;
	tuple_reverse(&origin.t, &p->key.t);
	f = bpf_map_lookup_elem(&flows, &origin);
	/* A learned entry is that of a flow from outside with the same tuple. */
	if (!f || !f->generation) {
		origin.t.pad[0] = TUPLE_ORIGIN;
		f = bpf_map_lookup_elem(&flows, &origin);
	}
	if (!f || !f->generation || f->tenant != path->tenant)
		return -1;
	if (set_ethernet(skb, f->mac, f->local_mac, ethertype(p)))
		return drop(skb, p, DROP_TRUNCATED, path->reverse_spi);
	if (bpf_check_mtu(skb, f->ifindex, &mtu, 0, BPF_MTU_CHK_SEGS) > 0) {
		set_ethernet(skb, f->local_mac, f->mac, ethertype(p));
		return send_too_big(skb, p, mtu, f->ifindex, BPF_F_INGRESS);
	}
	if (!ip_ttl_decrement(skb, p))
		return TC_ACT_OK;
	if (f->vlan && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), f->vlan))
		return drop(skb, p, DROP_RESOURCES, path->reverse_spi);
	return bpf_redirect(f->ifindex, 0);
}

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

FRAME int exit_by_route(struct __sk_buff *skb, struct packet *p, const struct path *path, __u32 spi)
{
	struct bpf_fib_lookup fib = {};
	struct iface_key key = {};
	struct iface *out;
	__u32 mtu = 0;
	long found;
	int err;

	if (!p || !path)
		return TC_ACT_SHOT;
	fib_request(&fib, skb, p);
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_NOT_FWDED && bpf_map_lookup_elem(&locals, &p->key.t.dst))
		return TC_ACT_OK;
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return drop(skb, p, DROP_EXIT_NO_ROUTE, spi);
	key.ifindex = fib.ifindex;
	out = bpf_map_lookup_elem(&ifaces, &key);
	if (!exit_allowed(out, path->tenant))
		return drop(skb, p, DROP_EXIT_FORBIDDEN, spi);
	if (!(p->flags & PKT_ICMP_ERROR)) {
		err = learn_reverse(p, path, out->scope, fib.ifindex);
		if (err)
			return drop(skb, p, err, spi);
	}
	if (set_ethernet(skb, fib.dmac, fib.smac, ethertype(p)))
		return drop(skb, p, DROP_TRUNCATED, spi);
	if (bpf_check_mtu(skb, fib.ifindex, &mtu, 0, BPF_MTU_CHK_SEGS) > 0) {
		/* Comes in again as if from the next hop, and so walks the path back. */
		set_ethernet(skb, fib.smac, fib.dmac, ethertype(p));
		return send_too_big(skb, p, mtu, fib.ifindex, BPF_F_INGRESS);
	}
	if (!ip_ttl_decrement(skb, p))
		return TC_ACT_OK;
	if (found == BPF_FIB_LKUP_RET_NO_NEIGH)
		return bpf_redirect_neigh(fib.ifindex, 0, 0, 0);
	return bpf_redirect(fib.ifindex, 0);
}

INLINE int leave(struct __sk_buff *skb, struct packet *p, const struct path *path, __u32 spi)
{
	if (path->flags & PATH_REVERSE) {
		int verdict = exit_to_origin(skb, p, path);

		if (verdict >= 0)
			return verdict;
	}
	return exit_by_route(skb, p, path, spi);
}
