/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Outer forwarder: tc ingress of the host end of the EF's outside. What the EF has
 * sealed goes to the node that opens it, behind a header of its own; nothing else
 * does, whatever the EF was made to say.
 */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/ef.h"
#include "lib/far.h"

#define AHEAD offsetof(struct sealed_encapsulation, outer)	/* of the NSHs */

/* Between VXLAN-GPE and the inner NSH: MD type 3, with E-SPI and E-SI. */
INLINE int make_outer(struct __sk_buff *skb, struct sealed_encapsulation *e)
{
	if (bpf_skb_adjust_room(skb, sizeof(e->outer), BPF_ADJ_ROOM_MAC, 0))
		return -1;
	e->outer.base.base = bpf_htons(NSH_TTL_DEFAULT << NSH_TTL_SHIFT | NSH_MD3_WORDS);
	e->outer.base.md_type = NSH_MD3;
	e->outer.base.next = NSH_NEXT_NSH;
	e->outer.base.path = e->inner.base.path;
	e->outer.encryption = e->inner.base.path;
	return bpf_skb_store_bytes(skb, ETH_HLEN + AHEAD, &e->outer, sizeof(e->outer), 0);
}

/* To `node`, whose address the headers get. */
INLINE int put_headers(struct __sk_buff *skb, struct sealed_encapsulation *e, const struct config *cfg,
		       const struct node *node)
{
	e->ip.tot_len = bpf_htons(skb->len - ETH_HLEN);
	e->udp.len = bpf_htons(skb->len - ETH_HLEN - sizeof(e->ip));
	e->ip.saddr = cfg->underlay;
	e->ip.daddr = node->underlay;
	e->ip.frag_off = bpf_htons(IP_DF);
	e->ip.ttl = UNDERLAY_TTL;
	e->vxlan.flags = GPE_INSTANCE | GPE_NEXT_PROTOCOL;
	e->udp.check = 0;
	ip_checksum(&e->ip);
	return bpf_skb_store_bytes(skb, ETH_HLEN, e, AHEAD, 0);
}

/* The headers as the EF gives them: those in front of the inner NSH first. */
INLINE int load(struct __sk_buff *skb, struct sealed_encapsulation *e)
{
	return bpf_skb_load_bytes(skb, ETH_HLEN, e, AHEAD) ||
	       bpf_skb_load_bytes(skb, ETH_HLEN + AHEAD, &e->inner, sizeof(e->inner));
}

/* Whether what follows the NSH is ESP over IPv4: anything else is what the hop must not show. */
INLINE bool carries_esp(struct __sk_buff *skb, const struct nsh *nsh)
{
	struct iphdr ip;

	return (nsh->md_type & 0xf) == NSH_MD1 && nsh->next == NSH_NEXT_IPV4 &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct encapsulation), &ip, sizeof(ip)) &&
	       ip.version == 4 && ip.ihl == 5 && ip.protocol == IPPROTO_ESP;
}

SEC("tc")
int outer(struct __sk_buff *skb)
{
	struct sealed_encapsulation e = {};
	__u32 zero = 0, place, node, index;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct far_message m;
	bool sealed = false;
	struct node *to;
	struct hop *hop;
	__u16 base;

	if (!cfg || skb->protocol != bpf_htons(ETH_P_IP) || load(skb, &e) || e.ip.version != 4 ||
	    e.ip.ihl != 5 || e.ip.protocol != IPPROTO_UDP || e.udp.dest != cfg->vxlan_port || e.vxlan.next != GPE_NEXT_NSH)
		return drop(skb, 0, DROP_PORT_FORGED, 0);
	place = bpf_ntohl(e.inner.base.path);
	base = bpf_ntohs(e.inner.base.base);
	if (base & NSH_OAM) {
		__builtin_memcpy(&m, e.inner.context, sizeof(m));
		if ((m.kind & FAR_KIND) != FAR_ALIVE || place >> 8)
			return drop(skb, 0, DROP_PORT_FORGED, place >> 8);
		node = bpf_ntohl(m.nonce);
	} else {
		hop = hop_at(place >> 8, place, &index);
		if (!hop || hop->kind != HOP_NODE || !through_ef(hop))
			return drop(skb, 0, DROP_PORT_UNBOUND, place >> 8);
		sealed = hop->flags & HOP_SEALED;
		if (sealed ? !carries_esp(skb, &e.inner.base) : (e.inner.base.md_type & 0xf) != NSH_MD2)
			return drop(skb, 0, DROP_PLAINTEXT, place >> 8);
		node = hop->node;
	}
	to = bpf_map_lookup_elem(&nodes, &node);
	if (!to || !to->present || !cfg->underlay)
		return drop(skb, 0, DROP_NO_HOP, place >> 8);
	if (sealed && make_outer(skb, &e))
		return drop(skb, 0, DROP_RESOURCES, place >> 8);
	if (put_headers(skb, &e, cfg, to))
		return drop(skb, 0, DROP_RESOURCES, place >> 8);
	return send_underlay(skb, 0, node, place >> 8);
}

char _license[] SEC("license") = "Dual BSD/GPL";
