/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first part of access.bpf.c alone: from a frame to its flow's path. */
#include "../../bpf/lib/parse.h"
#include "../../bpf/lib/classify.h"

SEC("tc")
int classify_only(struct __sk_buff *skb)
{
	struct packet p = {};
	__u32 spi = 0;
	__be16 proto = parse_ethernet(skb, &p);
	struct iface_key key = { skb->ifindex, p.vlan };
	struct iface *iface = bpf_map_lookup_elem(&ifaces, &key);
	int verdict;

	if (!iface || skb->pkt_type != 0 /* PACKET_HOST */)
		return TC_ACT_SHOT;
	verdict = parse_ip(skb, &p, proto, iface->scope);
	if (verdict || p.flags & PKT_LINK_SCOPE)
		return TC_ACT_SHOT;
	return classify(skb, &p, iface, &spi) ? TC_ACT_SHOT : spi;
}

char _license[] SEC("license") = "Dual BSD/GPL";
