/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What comes out of a function: tc ingress of its ports' host ends. Only what
 * the function was given, or an answer to it, goes on; on its own path.
 */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/forward.h"
#include "lib/learn.h"

/* First word of the addresses of routed functions' IPv6 links: fd63:6d::/64. */
#define PORT_LINK6 0xfd63006d

INLINE int take_probe(__u32 id)
{
	struct probe *probe = bpf_map_lookup_elem(&probes, &id);

	if (probe) {
		probe->last_seen_ns = bpf_ktime_get_ns();
		probe->count++;
	}
	return TC_ACT_SHOT;
}

/*
 * A function may answer a packet instead of passing it on (a reset, an ICMP
 * error): the answer goes on from here on the path back, by whichever side it left.
 */
COLD int find_answer(const struct port *port, const struct packet *p, struct place *at)
{
	struct flow_key given;
	struct state *s;
	struct path *path;

	if (!port || !p || !at)
		return DROP_PORT_UNBOUND;
	given.scope = PORT_SCOPE(port->id, port->side ^ 1);
	tuple_reverse(&given.t, &p->key.t);
	s = bpf_map_lookup_elem(&states, &given);
	if (!s) {
		/* Out of the other side: its rules set marks of their own, or it has one route. */
		given.scope ^= 1;
		s = bpf_map_lookup_elem(&states, &given);
	}
	path = s ? find_path(s->spi) : 0;
	if (!path || path->born != s->born)
		return DROP_PORT_UNBOUND;
	at->spi = path->reverse_spi;
	/* Function i of n here is n - 1 - i on the way back. */
	at->si = SI_START - path->length + (SI_START - s->si - 1);
	at->ttl = s->ttl;
	return 0;
}

INLINE void take_place(struct place *at, const struct state *s)
{
	at->spi = s->spi;
	at->si = s->si;
	at->ttl = s->ttl;
	at->born = s->born;
	at->metadata = s->metadata;
}

/* The tuple is new, but the packet is one that was given: its function has rewritten it. */
COLD int find_rewritten(struct __sk_buff *skb, const struct port *port, const struct packet *p,
			struct place *at)
{
	__u32 tag = skb->hash;
	struct flow_key *given = bpf_map_lookup_elem(&tags, &tag);
	struct flow_key key;
	struct state *s;

	if (!given || !port || !p || !at)
		return -1;
	key = *given;
	s = bpf_map_lookup_elem(&states, &key);
	if (!s || s->tag != tag || key.scope != p->key.scope)
		return -1;
	s->returned++;
	take_place(at, s);
	return settle(skb, p, port->id, &key);
}

/* As it was given: with its DSCP, where that says which path it takes. */
INLINE struct state *find_given(struct packet *p)
{
	struct state *s = 0;

	if (p->dscp) {
		p->key.t.dscp = p->dscp;
		s = bpf_map_lookup_elem(&states, &p->key);
		if (s)
			return s;
		p->key.t.dscp = 0;
	}
	return bpf_map_lookup_elem(&states, &p->key);
}

INLINE int find_place(struct __sk_buff *skb, const struct port *port, struct packet *p, struct place *at)
{
	struct state *s = find_given(p);

	if (s) {
		s->returned++;
		take_place(at, s);
		if (teacher(port->id))
			settle(skb, p, port->id, &p->key);
		return 0;
	}
	if (!find_rewritten(skb, port, p, at))
		return 0;
	if (port->bound_spi) {
		at->spi = port->bound_spi;
		at->si = port->bound_si;
		return 0;
	}
	return find_answer(port, p, at);
}

/*
 * The kernel signs an ICMP error with the address of the link it leaves by, and
 * those are alike on all nodes: the next function would take it for a packet of
 * its own. As with "too big", it comes from the destination of what it quotes.
 */
COLD int sign_error(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return DROP_RESOURCES;
	if (p->family == 4) {
		__u32 at = p->l3 + offsetof(struct iphdr, saddr);
		__be32 from, to = p->key.t.src.w[3];

		if (bpf_skb_load_bytes(skb, at, &from, sizeof(from)))
			return DROP_TRUNCATED;
		if (!v4_link_scope(from))
			return 0;
		if (bpf_l3_csum_replace(skb, p->l3 + offsetof(struct iphdr, check), from, to, sizeof(to)) ||
		    bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0))
			return DROP_RESOURCES;
	} else {
		__u32 at = p->l3 + offsetof(struct ipv6hdr, saddr);
		struct addr from, to = p->key.t.src;

		if (bpf_skb_load_bytes(skb, at, &from, sizeof(from)))
			return DROP_TRUNCATED;
		if (from.w[0] != bpf_htonl(PORT_LINK6) || from.w[1])
			return 0;
		if (bpf_l4_csum_replace(skb, p->l4 + offsetof(struct icmp, check), 0,
					bpf_csum_diff(from.w, sizeof(from), to.w, sizeof(to), 0),
					BPF_F_PSEUDO_HDR) ||
		    bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0))
			return DROP_RESOURCES;
	}
	return 0;
}

SEC("tc")
int port(struct __sk_buff *skb)
{
	struct packet p = {};
	struct place at = { .ttl = NSH_TTL_DEFAULT };
	__be16 proto = parse_ethernet(skb, &p);
	__u32 ifindex = skb->ifindex;
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	struct path *path;
	int verdict;

	if (!port)
		return drop(skb, &p, DROP_PORT_UNKNOWN, 0);
	if (proto == bpf_htons(ETH_P_NSH_))
		return drop(skb, &p, DROP_PORT_FORGED, 0);
	verdict = parse_ip(skb, &p, proto, PORT_SCOPE(port->id, port->side));
	if (verdict == PARSE_NOT_IP || p.flags & PKT_LINK_SCOPE)
		return drop(skb, &p, DROP_PORT_LINK_LOCAL, 0);
	if (port->attach == ATTACH_TAP)
		return drop(skb, &p, DROP_PORT_TAP, 0);
	if (verdict)
		return drop(skb, &p, verdict, 0);
	if (port->side == PORT_OUTSIDE && port->probe.w[3] && same_addr(&p.key.t.dst, &port->probe))
		return take_probe(port->id);
	verdict = find_place(skb, port, &p, &at);
	if (verdict)
		return drop(skb, &p, verdict, 0);
	count(&port_counters, port->id * 4 + port->side * 2 + 1, skb->len);
	if (p.flags & PKT_ICMP_ERROR) {
		verdict = sign_error(skb, &p);
		if (verdict)
			return drop(skb, &p, verdict, at.spi);
	}
	path = find_path(at.spi);
	if (!path || (at.born && path->born != at.born))
		return drop(skb, &p, DROP_NO_PATH, at.spi);
	return forward(skb, &p, path, &at, false);
}

char _license[] SEC("license") = "Dual BSD/GPL";
