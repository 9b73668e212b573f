/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From other nodes: tc ingress of underlay interfaces. VXLAN-GPE with NSH only. */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/ahead.h"
#include "lib/forward.h"
#include "lib/local.h"

/* Behind the Ethernet header. */
struct outer {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_gpe vxlan;
	struct nsh nsh;
};

struct decapsulation {
	struct place at;
	__u32 len;		/* of everything between Ethernet and the inner IP header */
	__be16 proto;
	bool oam;
};

/* RFC 8300 section 2: what this forwarder accepts. */
INLINE int check_nsh(const struct nsh *nsh, struct decapsulation *d)
{
	__u16 base = bpf_ntohs(nsh->base);
	__u32 path = bpf_ntohl(nsh->path);
	__u32 words = base & NSH_LENGTH_MASK;
	__u8 type = nsh->md_type & 0xf;

	if (base & NSH_VERSION_MASK)
		return DROP_NSH_VERSION;
	if (base & NSH_OAM && !(type == NSH_MD1 && words == NSH_MD1_WORDS))
		return DROP_NSH_OAM;
	d->oam = !!(base & NSH_OAM);
	if (!(type == NSH_MD1 && words == NSH_MD1_WORDS) && !(type == NSH_MD2 && words >= 2))
		return DROP_NSH_MD_TYPE;
	d->at.spi = path >> 8;
	d->at.si = path;
	d->at.ttl = (base & NSH_TTL_MASK) >> NSH_TTL_SHIFT;
	d->at.metadata.unassigned = (base & NSH_UNASSIGNED) | (nsh->md_type & NSH_MD_UNASSIGNED);
	d->at.metadata.present = type == NSH_MD1;
	d->len = sizeof(struct outer) - sizeof(*nsh) + words * 4;
	switch (nsh->next) {
	case NSH_NEXT_IPV4:
		d->proto = bpf_htons(ETH_P_IP);
		return 0;
	case NSH_NEXT_IPV6:
		d->proto = bpf_htons(ETH_P_IPV6);
		return 0;
	case NSH_NEXT_ETHERNET:
		d->len += ETH_HLEN;
		return 0;
	}
	return DROP_NEXT_PROTOCOL;
}

INLINE int check_outer(const struct outer *o, struct decapsulation *d)
{
	struct addr source;

	addr_from_v4(&source, o->ip.saddr);
	if (!bpf_map_lookup_elem(&peers, &source))
		return DROP_UNKNOWN_PEER;
	if ((o->vxlan.flags & (GPE_VERSION_MASK | GPE_INSTANCE | GPE_NEXT_PROTOCOL)) !=
	    (GPE_INSTANCE | GPE_NEXT_PROTOCOL))
		return DROP_VXLAN_FLAGS;
	if (o->vxlan.next != GPE_NEXT_NSH)
		return DROP_NEXT_PROTOCOL;
	return check_nsh(&o->nsh, d);
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

/* A forwarder between two others: looked up before anything is taken off. */
INLINE struct hop *transit_hop(struct __sk_buff *skb, const struct decapsulation *d)
{
	struct path *path = find_path(d->at.spi);
	__u32 index = SI_START - d->at.si;
	struct hop *hop;

	if (!path || !d->at.si || index > path->length)
		return 0;
	index += path->first_hop;
	hop = bpf_map_lookup_elem(&hops, &index);
	if (!hop || hop->kind != HOP_NODE)
		return 0;
	count(&hop_counters, index, skb->len);
	return hop;
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

/* Beside verdicts tunnel() returns: an OAM packet in order, of MD type 1. */
#define TUNNEL_OAM 100

FRAME int tunnel(struct __sk_buff *skb)
{
	struct decapsulation d = {};
	struct packet p = {};
	struct outer *o = (void *)(long)skb->data + ETH_HLEN;
	struct path *path;
	struct hop *transit;
	__u32 end;
	int err;

	if ((void *)(o + 1) > (void *)(long)skb->data_end)
		return drop(skb, 0, DROP_TRUNCATED, 0);
	end = skb->gso_size ? skb->len : ETH_HLEN + bpf_ntohs(o->ip.tot_len);
	if (end > skb->len)
		return drop(skb, 0, DROP_TRUNCATED, 0);
	if (!skb->gso_size && end != ETH_HLEN + sizeof(o->ip) + bpf_ntohs(o->udp.len))
		return drop(skb, 0, DROP_BAD_HEADER, 0);
	err = check_outer(o, &d);
	if (err)
		return drop(skb, 0, err, d.at.spi);
	if (end < ETH_HLEN + d.len + sizeof(struct iphdr))
		return drop(skb, 0, DROP_TRUNCATED, d.at.spi);
	if (d.oam)
		return TUNNEL_OAM;
	transit = transit_hop(skb, &d);
	if (transit) {
		d.at.ttl = nsh_ttl_decrement(d.at.ttl);
		if (!d.at.ttl)
			return drop(skb, 0, DROP_TTL_ZERO, d.at.spi);
		return pass_on(skb, &p, &d, transit);
	}
	if (!d.proto && bpf_skb_load_bytes(skb, ETH_HLEN + d.len - 2, &d.proto, sizeof(d.proto)))
		return drop(skb, 0, DROP_TRUNCATED, d.at.spi);
	/* There: the header's length was checked. TLVs of MD type 2 end at a function. */
	if (d.at.metadata.present &&
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct outer), d.at.metadata.context,
			       sizeof(d.at.metadata.context)))
		return drop(skb, 0, DROP_TRUNCATED, d.at.spi);
	if (decapsulate(skb, d.len, d.proto))
		return drop(skb, 0, DROP_RESOURCES, d.at.spi);
	p.l3 = ETH_HLEN;
	err = parse_ip(skb, &p, d.proto, UNDERLAY_SCOPE(d.at.spi));
	if (err)
		return drop(skb, &p, err == PARSE_NOT_IP ? DROP_NEXT_PROTOCOL : err, d.at.spi);
	path = find_path(d.at.spi);
	if (!path)
		return drop(skb, &p, DROP_NO_PATH, d.at.spi);
	return forward(skb, &p, path, &d.at, true);
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
	if (skb->data + ETH_HLEN + sizeof(struct outer) > skb->data_end)
		bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
	if (!is_tunnel(skb, cfg))
		return plain(skb);
	verdict = tunnel(skb);
	return verdict == TUNNEL_OAM ? take_oam(skb) : verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
