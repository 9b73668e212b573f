/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that go ahead of a flow (see far.h): passed on past functions that let it
 * pass, answered by the first node that has something to do, and what is made of
 * the answer where it was asked. None of them is ever delivered.
 */
#pragma once

#include "ef.h"
#include "far.h"

/* The function lets the flow pass and need not see it now; nothing changes by asking. */
INLINE bool vouches(const struct packet *p, const struct state *s, const struct service *sv, __u64 now)
{
	return sv->offload && !(sv->flags & SERVICE_DOWN) && s->generation == sv->generation &&
	       s->verdict == VERDICT_ALLOW && !s->sampled_ns &&
	       !older(s->vouched_ns, now, idle_ns(sv, p->key.t.proto)) &&
	       !older(s->vouched_ns, now, sv->revalidate_ms * NS_PER_MS) &&
	       p->hop_limit > s->hop_limit_taken;
}

/* Whether the packet may pass the function at `index` by; counts those that have. */
COLD int passes_by(struct packet *p, const struct hop *hop, __u32 index, __u32 si, struct far_message *m)
{
	struct service *sv;
	struct counter *c;
	struct state *s;
	__u32 packets;
	__u64 now = now_ns();

	if (!p || !hop || !m || hop->kind != HOP_PORT)
		return 0;
	p->key.scope = PORT_SCOPE(hop->port, hop->side);
	sv = service_of(hop->port);
	s = bpf_map_lookup_elem(&states, &p->key);
	if (!sv || !s || !vouches(p, s, sv, now))
		return 0;
	/* Its packets go elsewhere: what was seen of them is not where they are. */
	s->next_sequence = 0;
	p->hop_limit -= s->hop_limit_taken;
	m->taken += s->hop_limit_taken;
	packets = number_of(m);
	if (!packets || si <= m->to_si)
		return 1;
	s->last_seen_ns = now;
	s->skipped += packets;
	s->skipped_bytes += bpf_ntohl(m->bytes);
	c = bpf_map_lookup_elem(&hop_counters, &index);
	if (c) {
		c->packets += packets;
		c->bytes += bpf_ntohl(m->bytes);
	}
	return 1;
}

/* Past all functions here that let the flow pass: *si is where it stops. */
INLINE struct hop *first_that_minds(struct packet *p, const struct path *path, __u8 *si, struct far_message *m)
{
	struct hop *hop = 0;

	for (int i = 0; i < MAX_HOPS; i++) {
		__u32 index = SI_START - *si;

		if (index > path->length)
			return 0;
		index += path->first_hop;
		hop = bpf_map_lookup_elem(&hops, &index);
		if (!hop || !passes_by(p, hop, index, *si, m))
			return hop;
		(*si)--;
	}
	return 0;
}

/* What was asked has come to its end: the flow's packets may go to `node`. Returns 0 or a reason. */
FRAME int take_answer(const struct packet *p, const struct path *path, __u32 spi_si,
		      const struct far_message *m, __u32 node)
{
	struct flow_key key;
	struct grant *g;
	__u8 si = spi_si, scope;

	if (!p || !path || !m)
		return DROP_RESOURCES;
	scope = m->kind & FAR_SCOPE;
	key = p->key;
	key.scope = scope == FAR_TENANT ? path->tenant :
		    scope == FAR_SHARED ? SCOPE_SHARED : UNDERLAY_SCOPE(spi_si >> 8);
	g = bpf_map_lookup_elem(&grants, &key);
	if (!g || !m->nonce || g->nonce != m->nonce || g->spi != spi_si >> 8 || g->born != path->born)
		return DROP_NSH_OAM;
	g->nonce = 0;
	if (si >= g->from_si) {
		g->until_ns = 0;
		if (g->refused < ASK_BACK_OFF)
			g->refused++;
		g->ask_ns = g->asked_ns + (ASK_AGAIN_NS << g->refused);
		return 0;
	}
	g->until_ns = 0;
	g->refused = 0;
	g->node = node;
	g->to_si = si;
	g->taken = m->taken;
	g->until_ns = g->asked_ns + LEASE_NS;
	return 0;
}

/* What has said all it had to say is no loss; with a reason it is one. */
INLINE int drop_if(struct __sk_buff *skb, const struct packet *p, int reason, __u32 spi)
{
	return reason ? drop(skb, p, reason, spi) : TC_ACT_SHOT;
}

/* `skb` is still encapsulated; its place is `spi_si`, what is inside is `p`. */
FRAME int answer_ask(struct __sk_buff *skb, struct packet *p, const struct path *path, __u32 spi_si,
		     struct far_message *m)
{
	__u32 zero = 0, asker, id;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct beat *last = bpf_map_lookup_elem(&granted, &zero);
	__u8 si = spi_si, taken;
	struct hop *hop;

	if (!p || !path || !m || !cfg || !last)
		return TC_ACT_SHOT;
	taken = m->taken;
	asker = bpf_ntohs(m->asker);
	hop = first_that_minds(p, path, &si, m);
	if (!hop || hop->kind == HOP_NONE)
		return drop(skb, p, DROP_NO_HOP, spi_si >> 8);
	if (hop->kind == HOP_NODE) {
		/* Before it goes on: a change here has to wait for what follows from it. */
		last->last_ns = now_ns();
		id = hop->node;
		if (retarget(skb, id, (spi_si & ~0xff) | si, NSH_OAM, m))
			return drop(skb, p, DROP_NO_HOP, spi_si >> 8);
		return send_underlay(skb, p, id, spi_si >> 8);
	}
	/* Nothing here is passed by: the packets are to come to where this one arrived. */
	m->taken = taken;
	if (asker == cfg->node_id)
		return drop_if(skb, p, take_answer(p, path, spi_si, m, asker), spi_si >> 8);
	m->kind = (m->kind & FAR_SCOPE) | FAR_ANSWER;
	put_number(m, cfg->node_id);
	/* Of nobody we know. */
	if (retarget(skb, asker, spi_si, NSH_OAM | NSH_TTL_MASK, m))
		return drop(skb, p, DROP_NO_HOP, spi_si >> 8);
	return send_underlay(skb, p, asker, spi_si >> 8);
}

/* A heartbeat for this node, of the node it comes from: no node can beat for another. */
INLINE bool is_genuine(struct __sk_buff *skb, const struct far_message *m)
{
	struct addr source;
	__be32 from;
	__u32 *id;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), &from, sizeof(from)))
		return false;
	addr_from_v4(&source, from);
	id = bpf_map_lookup_elem(&peers, &source);
	return id && *id == bpf_ntohs(m->asker) && bpf_ntohl(m->nonce) == own_id();
}

/* An OAM packet of ours, or of somebody else; headers in front of it are in order. */
FRAME int take_oam(struct __sk_buff *skb)
{
	struct packet p = {};
	struct nsh_md1 nsh;
	struct far_message m;
	struct path *path;
	__be16 proto;
	__u32 place;
	__u8 kind, ttl;
	int err;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct encapsulation, nsh), &nsh, sizeof(nsh)))
		return drop(skb, 0, DROP_TRUNCATED, 0);
	__builtin_memcpy(&m, nsh.context, sizeof(m));
	kind = m.kind & FAR_KIND;
	place = bpf_ntohl(nsh.base.path);
	if (kind == FAR_ALIVE)
		return is_genuine(skb, &m) ? give_to_ef(skb, 0) : drop(skb, 0, DROP_NSH_OAM, 0);
	proto = nsh.base.next == NSH_NEXT_IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (nsh.base.next == NSH_NEXT_ETHERNET || (kind != FAR_ASK && kind != FAR_ANSWER))
		return drop(skb, 0, DROP_NSH_OAM, place >> 8);
	ttl = nsh_ttl_decrement((bpf_ntohs(nsh.base.base) & NSH_TTL_MASK) >> NSH_TTL_SHIFT);
	nsh.base.base = (nsh.base.base & bpf_htons((__u16)~NSH_TTL_MASK)) | bpf_htons(ttl << NSH_TTL_SHIFT);
	if (!ttl)
		return drop(skb, 0, DROP_TTL_ZERO, place >> 8);
	if (bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct encapsulation, nsh), &nsh.base.base,
				sizeof(nsh.base.base), 0))
		return drop(skb, 0, DROP_RESOURCES, place >> 8);
	p.l3 = ETH_HLEN + sizeof(struct encapsulation);
	path = find_path(place >> 8);
	if (parse_ip(skb, &p, proto, UNDERLAY_SCOPE(place >> 8)) || is_control(&p))
		return drop(skb, &p, DROP_NSH_OAM, place >> 8);
	if (!path)
		return drop(skb, &p, DROP_NO_PATH, place >> 8);
	/* Nobody asks ahead of sealed packets: the copy would be in the clear. */
	if (path->flags & PATH_SEALED)
		return drop(skb, &p, DROP_UNSEALED, place >> 8);
	if (path->flags & PATH_DSCP)
		p.key.t.dscp = p.dscp;
	if (kind == FAR_ANSWER) {
		err = take_answer(&p, path, place, &m, number_of(&m));
		return drop_if(skb, &p, err, place >> 8);
	}
	return answer_ask(skb, &p, path, place, &m);
}
