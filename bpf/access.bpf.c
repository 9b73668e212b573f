/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Classifier: tc ingress of access and exit interfaces. */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/forward.h"
#include "lib/local.h"
#include "lib/mss.h"

/* The largest IP packet this frame, or a segment of it, will be. */
INLINE __u32 packet_size(struct __sk_buff *skb, const struct packet *p)
{
	return skb->gso_size ? skb->gso_size + p->l4 - p->l3 + p->l4_len : p->ip_len;
}

/* Answers a packet that the path cannot carry, out of where it came from. */
COLD int refuse_size(struct __sk_buff *skb, struct packet *p, __u32 mtu)
{
	struct ethhdr *eth;
	struct ethhdr was;

	if (!p || untag(skb, p))
		return drop(skb, p, DROP_RESOURCES, 0);
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return drop(skb, p, DROP_TRUNCATED, 0);
	was = *eth;
	set_ethernet(skb, was.h_source, was.h_dest, ethertype(p));
	return send_error(skb, p, ERROR_TOO_BIG, mtu, skb->ifindex);
}

SEC("tc")
int access(struct __sk_buff *skb)
{
	struct packet p = {};
	struct place at = { .si = SI_START, .ttl = NSH_TTL_DEFAULT };
	__be16 proto = parse_ethernet(skb, &p);
	struct iface_key key = { skb->ifindex, p.vlan };
	struct iface *iface = bpf_map_lookup_elem(&ifaces, &key);
	struct path *path;
	int verdict;

	if (skb->pkt_type != 0 /* PACKET_HOST */)
		return TC_ACT_OK;
	if (!iface)
		return p.vlan ? TC_ACT_OK : stray(skb, proto);
	verdict = parse_ip(skb, &p, proto, iface->scope);
	if (verdict == PARSE_NOT_IP)
		return without_ip(skb, &p, proto);
	if (p.flags & PKT_LINK_SCOPE)
		return on_link(skb, &p);
	if (verdict)
		return drop(skb, &p, verdict, 0);
	verdict = classify(skb, &p, iface, &at.spi);
	if (verdict)
		return drop(skb, &p, verdict, at.spi);
	if (at.spi == SPI_LOCAL)
		return TC_ACT_OK;
	if (at.spi == SPI_PASS)
		return pass(skb, &p, iface->role == ROLE_ACCESS);
	p.key.t.dscp = 0;
	path = find_path(at.spi);
	if (path && path->flags & PATH_FAILED) {
		at.spi = path->backup;
		path = find_path(at.spi);
	}
	if (!path || path->tenant != p.tenant)
		return drop(skb, &p, DROP_NO_PATH, at.spi);
	if (p.flags & PKT_TCP_SYN)
		clamp_mss(skb, &p, path->mtu);
	if (packet_size(skb, &p) > path->mtu)
		return refuse_size(skb, &p, path->mtu);
	return forward(skb, &p, path, &at, true);
}

char _license[] SEC("license") = "Dual BSD/GPL";
