/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* NSH in VXLAN-GPE as it comes, from another node or out of the node's EF. */
#pragma once

#include "forward.h"

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
	bool sealed;		/* behind an outer NSH: the fields above are of that */
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
	d->sealed = type == NSH_MD3;
	if (!(type == NSH_MD1 && words == NSH_MD1_WORDS) && !(type == NSH_MD2 && words >= 2) &&
	    !(type == NSH_MD3 && words == NSH_MD3_WORDS))
		return DROP_NSH_MD_TYPE;
	d->at.spi = path >> 8;
	d->at.si = path;
	d->at.ttl = (base & NSH_TTL_MASK) >> NSH_TTL_SHIFT;
	d->at.metadata.unassigned = (base & NSH_UNASSIGNED) | (nsh->md_type & NSH_MD_UNASSIGNED);
	d->at.metadata.present = type == NSH_MD1;
	d->len = sizeof(struct outer) - sizeof(*nsh) + words * 4;
	if (d->sealed)
		return nsh->next == NSH_NEXT_NSH ? 0 : DROP_NEXT_PROTOCOL;
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

INLINE int check_gpe(const struct outer *o, struct decapsulation *d)
{
	if ((o->vxlan.flags & (GPE_VERSION_MASK | GPE_INSTANCE | GPE_NEXT_PROTOCOL)) !=
	    (GPE_INSTANCE | GPE_NEXT_PROTOCOL))
		return DROP_VXLAN_FLAGS;
	if (o->vxlan.next != GPE_NEXT_NSH)
		return DROP_NEXT_PROTOCOL;
	return check_nsh(&o->nsh, d);
}

/* Whether the lengths that the headers say are there. Returns 0 or a reason. */
INLINE int check_length(struct __sk_buff *skb, const struct outer *o)
{
	__u32 end = skb->gso_size ? skb->len : ETH_HLEN + bpf_ntohs(o->ip.tot_len);

	if (end > skb->len)
		return DROP_TRUNCATED;
	if (!skb->gso_size && end != ETH_HLEN + sizeof(o->ip) + bpf_ntohs(o->udp.len))
		return DROP_BAD_HEADER;
	return 0;
}

/* Takes the headers off, all of which were checked, and goes on along the path. */
INLINE int go_on(struct __sk_buff *skb, struct packet *p, struct decapsulation *d)
{
	struct path *path;
	int err;

	if (!d->proto && bpf_skb_load_bytes(skb, ETH_HLEN + d->len - 2, &d->proto, sizeof(d->proto)))
		return drop(skb, 0, DROP_TRUNCATED, d->at.spi);
	/* There: the header's length was checked. TLVs of MD type 2 end at a function. */
	if (d->at.metadata.present &&
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct outer), d->at.metadata.context,
			       sizeof(d->at.metadata.context)))
		return drop(skb, 0, DROP_TRUNCATED, d->at.spi);
	if (decapsulate(skb, d->len, d->proto))
		return drop(skb, 0, DROP_RESOURCES, d->at.spi);
	p->l3 = ETH_HLEN;
	err = parse_ip(skb, p, d->proto, UNDERLAY_SCOPE(d->at.spi));
	if (err)
		return drop(skb, p, err == PARSE_NOT_IP ? DROP_NEXT_PROTOCOL : err, d->at.spi);
	path = find_path(d->at.spi);
	if (!path)
		return drop(skb, p, DROP_NO_PATH, d->at.spi);
	return forward(skb, p, path, &d->at, true);
}
