/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Last look at what leaves by the underlay: tc egress. A packet of a sealed hop
 * goes out as ESP behind an outer NSH, or with its MAC, or not at all, whichever
 * program or program's fault sent it.
 */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/ef.h"

struct seen {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_gpe vxlan;
	struct nsh nsh;
};

INLINE bool is_tunnel_out(const struct seen *s, const struct config *cfg)
{
	return s->ip.version == 4 && s->ip.ihl == 5 && s->ip.protocol == IPPROTO_UDP &&
	       s->udp.dest == cfg->vxlan_port && !(s->ip.frag_off & bpf_htons(IP_OFFSET)) &&
	       s->vxlan.next == GPE_NEXT_NSH;
}

/* Behind an outer NSH: the inner one, and ESP. */
INLINE bool shows_esp(struct __sk_buff *skb)
{
	struct nsh_md1 inner;
	struct iphdr ip;
	__u32 at = ETH_HLEN + offsetof(struct sealed_encapsulation, inner);

	return !bpf_skb_load_bytes(skb, at, &inner, sizeof(inner)) &&
	       !bpf_skb_load_bytes(skb, at + sizeof(inner), &ip, sizeof(ip)) &&
	       (inner.base.md_type & 0xf) == NSH_MD1 && inner.base.next == NSH_NEXT_IPV4 &&
	       ip.version == 4 && ip.protocol == IPPROTO_ESP;
}

SEC("tc")
int wire(struct __sk_buff *skb)
{
	__u32 zero = 0, place, index;
	struct config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct seen s;
	struct path *path;
	struct hop *hop;
	__u8 type;

	if (!cfg || skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &s, sizeof(s)) ||
	    !is_tunnel_out(&s, cfg))
		return TC_ACT_OK;
	type = s.nsh.md_type & 0xf;
	place = bpf_ntohl(s.nsh.path);
	if (type == NSH_MD3)
		return shows_esp(skb) ? TC_ACT_OK : drop(skb, 0, DROP_PLAINTEXT, place >> 8);
	path = find_path(place >> 8);
	if (!path || !(path->flags & PATH_SEALED))
		return TC_ACT_OK;
	/* A copy that asks ahead would show the packet. */
	if (s.nsh.base & bpf_htons(NSH_OAM))
		return drop(skb, 0, DROP_PLAINTEXT, place >> 8);
	/* Nothing else of a sealed path has a reason to leave; a hop's flags alone open none. */
	hop = hop_at(place >> 8, place, &index);
	if (hop && hop->kind == HOP_NODE) {
		if (!through_ef(hop) && path->flags & PATH_PLAIN)
			return TC_ACT_OK;
		if (hop->flags & HOP_SIGNED && type == NSH_MD2)
			return TC_ACT_OK;
	}
	return drop(skb, 0, DROP_PLAINTEXT, place >> 8);
}

char _license[] SEC("license") = "Dual BSD/GPL";
