/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Past other nodes. A copy of a flow's packet goes ahead along the path and asks
 * (an NSH OAM packet, RFC 8300 section 2.2): a node whose functions all let the
 * flow pass sends it on, the first that has something to say, or the last, answers.
 * The flow's packets go straight there for LEASE_MS from when it was asked. No node
 * acknowledges a change before what it let pass by has run out.
 */
#pragma once

#include "shortcut.h"
#include "underlay.h"

#define LEASE_NS (LEASE_MS * NS_PER_MS)
#define ASK_AGAIN_NS (LEASE_NS / 2)
/* Where nothing is passed by: doubled that often at most. */
#define ASK_BACK_OFF 5

/* FAR_ALIVE: between encryption functions; `nonce` is the node it is for. */
enum far_kind { FAR_ASK = 1, FAR_ANSWER = 2, FAR_ALIVE = 3, FAR_KIND = 0xf };
/* Whose key the flow has where it was asked: in the high bits of `kind`. */
enum far_scope { FAR_TENANT = 0, FAR_SHARED = 0x10, FAR_TRANSIT = 0x20, FAR_SCOPE = 0xf0 };

/* In place of an NSH's context. */
struct far_message {
	__be32 nonce;
	__be16 asker;		/* node */
	__u8 taken;		/* from the hop limit, by the functions passed by */
	__u8 kind;		/* enum far_kind, enum far_scope */
	__be32 bytes;		/* that have passed by since it was asked last */
	__u8 number[3];		/* of packets likewise; an answer: the node that gives it */
	__u8 to_si;		/* service index they went to */
};

INLINE void put_number(struct far_message *m, __u32 number)
{
	m->number[0] = number >> 16;
	m->number[1] = number >> 8;
	m->number[2] = number;
}

INLINE __u32 number_of(const struct far_message *m)
{
	return m->number[0] << 16 | m->number[1] << 8 | m->number[2];
}

/*
 * An encapsulated packet gets another place, TTL and O bit, and another node to go
 * to. With a TTL of 0 it keeps its own.
 */
COLD int retarget(struct __sk_buff *skb, __u32 id, __u32 spi_si, __u32 ttl_oam,
		  const struct far_message *m)
{
	__u32 zero = 0;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct node *node = bpf_map_lookup_elem(&nodes, &id);
	struct encapsulation *e = (void *)(long)skb->data + ETH_HLEN;
	__u16 keep;

	if (!cfg || !node || !node->present || (void *)(e + 1) > (void *)(long)skb->data_end)
		return -1;
	keep = ttl_oam & NSH_TTL_MASK ? ~(NSH_TTL_MASK | NSH_OAM) : ~NSH_OAM;
	e->nsh.base.base = (e->nsh.base.base & bpf_htons(keep)) | bpf_htons(ttl_oam);
	e->nsh.base.path = bpf_htonl(spi_si);
	if (m)
		__builtin_memcpy(e->nsh.context, m, sizeof(*m));
	e->ip.saddr = cfg->underlay;
	e->ip.daddr = node->underlay;
	e->ip.ttl = UNDERLAY_TTL;
	ip_checksum(&e->ip);
	/* It would cover addresses that changed; 0 is none (RFC 768). */
	e->udp.check = 0;
	return 0;
}

/* Sends a copy of the frame by the route of its outer header. */
COLD int send_copy(struct __sk_buff *skb, __u32 id)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET, .ifindex = skb->ifindex, .l4_protocol = IPPROTO_UDP,
	};
	__u32 zero = 0;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct node *node = bpf_map_lookup_elem(&nodes, &id);

	if (!cfg || !node)
		return -1;
	fib.ipv4_src = cfg->underlay;
	fib.ipv4_dst = node->underlay;
	if (bpf_fib_lookup(skb, &fib, sizeof(fib), 0) ||
	    set_ethernet(skb, fib.dmac, fib.smac, bpf_htons(ETH_P_IP)))
		return -1;
	return bpf_clone_redirect(skb, fib.ifindex, 0);
}

INLINE __u32 own_id(void)
{
	__u32 zero = 0;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);

	return cfg ? cfg->node_id : 0;
}

INLINE __u8 far_scope(const struct path *path, __u32 scope)
{
	return scope == path->tenant ? FAR_TENANT : scope == SCOPE_SHARED ? FAR_SHARED : FAR_TRANSIT;
}

/* The grant of a flow that leaves for another node, made where there is none yet. */
INLINE struct grant *grant_of(const struct flow_key *entered)
{
	struct grant fresh = {}, *g = bpf_map_lookup_elem(&grants, entered);

	if (g)
		return g;
	bpf_map_update_elem(&grants, entered, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&grants, entered);
}

INLINE bool grant_holds(const struct grant *g, const struct packet *p, const struct path *path,
			const struct place *at, __u64 now)
{
	return g->until_ns > now && g->spi == at->spi && g->born == path->born && g->from_si == at->si &&
	       p->hop_limit > g->taken && at->ttl > g->from_si - g->to_si;
}

/*
 * The node to which a packet may go instead of the next one, `at` then its place
 * there; 0: none is known. `m`: what to ask where it is time to, kind 0 elsewhere.
 */
FRAME int jump(struct __sk_buff *skb, struct packet *p, const struct path *path, struct place *at,
	       struct far_message *m)
{
	struct walk *w = this_walk();
	struct flow_key *entered;
	__u64 now = now_ns();
	struct node *target;
	struct grant *g;
	__u32 node;

	if (!p || !path || !at || !w || !m)
		return 0;
	entered = &w->entered;
	if (is_control(p) || !same_tuple(&entered->t, &p->key.t))
		return 0;
	g = grant_of(entered);
	if (!g)
		return 0;
	if (g->ask_ns <= now) {
		m->kind = FAR_ASK | far_scope(path, entered->scope);
		m->taken = 0;
		m->nonce = bpf_get_prandom_u32();
		m->bytes = bpf_htonl(g->bytes);
		put_number(m, g->packets);
		m->to_si = g->to_si;
		g->packets = 0;
		g->bytes = 0;
		g->nonce = m->nonce;
		g->asked_ns = now;
		g->ask_ns = now + ASK_AGAIN_NS;
		/* The answer is for this place, and for no other. */
		if (g->spi != at->spi || g->born != path->born || g->from_si != at->si) {
			g->until_ns = 0;
			g->spi = at->spi;
			g->born = path->born;
			g->from_si = at->si;
		}
	}
	node = g->node;
	target = bpf_map_lookup_elem(&nodes, &node);
	if (!grant_holds(g, p, path, at, now) || !(node == own_id() || (target && target->present)))
		return 0;
	if (g->taken && lower_hop_limit(skb, p, g->taken))
		return 0;
	g->packets++;
	g->bytes += skb->len;
	at->ttl -= at->si - g->to_si;
	at->si = g->to_si;
	return node;
}

/*
 * Sends a copy that asks to node `next`, for which the packet leaves at service
 * index `si`. Not 0: the packet is broken.
 */
INLINE int ask_ahead(struct __sk_buff *skb, const struct packet *p, __u32 next, const struct place *at,
		      __u8 si, struct far_message *m)
{
	m->asker = bpf_htons(own_id());
	if (encapsulate(skb, p, next, 0, at) != TC_ACT_OK)
		return -1;
	if (!retarget(skb, next, at->spi << 8 | si, NSH_OAM | NSH_TTL_MASK, m))
		send_copy(skb, next);
	return decapsulate(skb, sizeof(struct encapsulation), ethertype(p));
}

/* As jump(), and asks where it is time to. Less than 0: the packet is to be dropped. */
FRAME int go_far(struct __sk_buff *skb, struct packet *p, const struct path *path, struct place *at,
		 __u32 next)
{
	struct far_message m = {};
	int node;
	__u8 si;

	if (!p || !path || !at)
		return 0;
	si = at->si;
	node = jump(skb, p, path, at, &m);
	if (m.kind && ask_ahead(skb, p, next, at, si, &m))
		return -1;
	return node;
}
