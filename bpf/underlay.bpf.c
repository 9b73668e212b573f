/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From other nodes: tc ingress of underlay interfaces. VXLAN-GPE with NSH only. */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/ahead.h"
#include "lib/local.h"
#include "lib/tunnel.h"

INLINE int check_outer(const struct outer *o, struct decapsulation *d)
{
	struct addr source;

	addr_from_v4(&source, o->ip.saddr);
	if (!bpf_map_lookup_elem(&peers, &source))
		return DROP_UNKNOWN_PEER;
	return check_gpe(o, d);
}

/* Next hop on another node again: the headers stay, only their fields change. */
INLINE int pass_on(struct __sk_buff *skb, struct packet *p, struct decapsulation *d,
		   const struct hop *hop)
{
	__u32 place = d->at.spi << 8 | d->at.si;

	if (retarget(skb, hop->node, place, d->at.ttl << NSH_TTL_SHIFT, 0))
		return drop(skb, p, DROP_NO_HOP, d->at.spi);
	return send_underlay(skb, p, hop->node, d->at.spi);
}

/*
 * No tunnel: for this node, or unchained traffic on its way between nodes, which
 * goes on to no tenant's users or exit but as that tenant's rules and subnets say.
 */
FRAME int plain(struct __sk_buff *skb)
{
	struct packet p = {};
	__be16 proto = parse_ethernet(skb, &p);
	struct iface_key key = {};
	struct way way = {};
	struct iface *out;
	int err;

	if (p.vlan)
		return TC_ACT_OK;
	err = parse_ip(skb, &p, proto, SCOPE_SHARED);
	if (err == PARSE_NOT_IP)
		return without_ip(skb, &p, proto);
	if (p.flags & PKT_LINK_SCOPE || bpf_map_lookup_elem(&locals, &p.key.t.dst))
		return on_link(skb, &p);
	if (err)
		return drop(skb, &p, err, 0);
	if (untag(skb, &p))
		return drop(skb, &p, DROP_RESOURCES, 0);
	err = find_way(skb, &p, &way, FOR_ANYBODY);
	if (err)
		return err < 0 ? TC_ACT_OK : drop(skb, &p, err, 0);
	key.ifindex = way.ifindex;
	out = bpf_map_lookup_elem(&ifaces, &key);
	if (!out)
		return drop(skb, &p, DROP_EXIT_FORBIDDEN, 0);
	if (out->role == ROLE_ACCESS && !judge_answered(&p, out->tenant, true))
		return drop(skb, &p, DROP_UNOWNED, 0);
	if (out->role == ROLE_EXIT && out->tenant && !owner_of(out->tenant, &p.key.t.src, &subnets))
		return drop(skb, &p, DROP_EXIT_FORBIDDEN, 0);
	return take_way(skb, &p, &way, 0);
}

/* Beside verdicts tunnel() returns what else there is to do. */
enum tunnel_next {
	TUNNEL_OAM = 100,	/* an OAM packet in order, of MD type 1 */
	TUNNEL_SEALED,		/* it has an outer NSH */
	TUNNEL_SIGNED,		/* the EF has to say whether it is genuine */
};

FRAME int tunnel(struct __sk_buff *skb)
{
	struct decapsulation d = {};
	struct packet p = {};
	struct outer *o = (void *)(long)skb->data + ETH_HLEN;
	struct hop *hop;
	__u32 end, index;
	int err;

	if ((void *)(o + 1) > (void *)(long)skb->data_end)
		return drop(skb, 0, DROP_TRUNCATED, 0);
	err = check_length(skb, o);
	if (err)
		return drop(skb, 0, err, 0);
	end = skb->gso_size ? skb->len : ETH_HLEN + bpf_ntohs(o->ip.tot_len);
	err = check_outer(o, &d);
	if (err)
		return drop(skb, 0, err, d.at.spi);
	if (d.oam)
		return TUNNEL_OAM;
	if (end < ETH_HLEN + d.len + sizeof(struct iphdr))
		return drop(skb, 0, DROP_TRUNCATED, d.at.spi);
	if (d.sealed)
		return TUNNEL_SEALED;
	hop = hop_at(d.at.spi, d.at.si, &index);
	if (hop && through_ef(hop)) {
		if (hop->flags & HOP_SIGNED && hop->kind != HOP_NODE && !d.at.metadata.present)
			return TUNNEL_SIGNED;
		return drop(skb, 0, DROP_UNSEALED, d.at.spi);
	}
	if (hop && hop->kind == HOP_NODE) {
		/* A forwarder between two others: nothing is taken off. */
		count(&hop_counters, index, skb->len);
		d.at.ttl = nsh_ttl_decrement(d.at.ttl);
		if (!d.at.ttl)
			return drop(skb, 0, DROP_TTL_ZERO, d.at.spi);
		return pass_on(skb, &p, &d, hop);
	}
	return go_on(skb, &p, &d);
}

/*
 * Outer forwarder: what another node has sealed loses its outer NSH, and goes to the
 * EF, where its path says that it comes here so. Both headers must name one hop.
 */
FRAME int take_sealed(struct __sk_buff *skb)
{
	struct sealed_encapsulation e;
	struct hop *hop;
	__u32 place, index;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &e, sizeof(e)))
		return drop(skb, 0, DROP_TRUNCATED, 0);
	place = bpf_ntohl(e.outer.encryption);
	if (!nsh_ttl_left(&e.outer.base))
		return drop(skb, 0, DROP_TTL_ZERO, place >> 8);
	if (e.outer.base.path != e.outer.encryption || e.inner.base.path != e.outer.encryption)
		return drop(skb, 0, DROP_BAD_HEADER, place >> 8);
	hop = hop_at(place >> 8, place, &index);
	if (!hop || hop->kind == HOP_NODE || !(hop->flags & HOP_SEALED))
		return drop(skb, 0, DROP_NO_HOP, place >> 8);
	if (bpf_skb_adjust_room(skb, -(__s32)sizeof(e.outer), BPF_ADJ_ROOM_MAC, 0))
		return drop(skb, 0, DROP_RESOURCES, place >> 8);
	e.ip.tot_len = bpf_htons(bpf_ntohs(e.ip.tot_len) - sizeof(e.outer));
	e.udp.len = bpf_htons(bpf_ntohs(e.udp.len) - sizeof(e.outer));
	e.udp.check = 0;
	ip_checksum(&e.ip);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &e, offsetof(struct sealed_encapsulation, outer), 0))
		return drop(skb, 0, DROP_RESOURCES, place >> 8);
	return give_to_ef(skb, place >> 8);
}

/* VXLAN-GPE for this node, whole or the first of it. */
INLINE bool is_tunnel(struct __sk_buff *skb, const struct config *cfg)
{
	struct outer *o = (void *)(long)skb->data + ETH_HLEN;

	return cfg->underlay && skb->protocol == bpf_htons(ETH_P_IP) && !skb->vlan_present &&
	       (void *)&o->vxlan <= (void *)(long)skb->data_end && o->ip.version == 4 && o->ip.ihl == 5 &&
	       o->ip.protocol == IPPROTO_UDP && o->udp.dest == cfg->vxlan_port &&
	       o->ip.daddr == cfg->underlay && !(o->ip.frag_off & bpf_htons(IP_MF | IP_OFFSET));
}

SEC("tc")
int underlay(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	int verdict;

	if (!cfg || skb->pkt_type != 0 /* PACKET_HOST */)
		return TC_ACT_OK;
	/* Headers may sit in a page fragment. */
	if ((void *)(long)skb->data + ETH_HLEN + sizeof(struct outer) > (void *)(long)skb->data_end)
		bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
	if (!is_tunnel(skb, cfg))
		return plain(skb);
	verdict = tunnel(skb);
	switch (verdict) {
	case TUNNEL_OAM:
		return take_oam(skb);
	case TUNNEL_SEALED:
		return take_sealed(skb);
	case TUNNEL_SIGNED:
		return give_to_ef(skb, 0);
	}
	return verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
