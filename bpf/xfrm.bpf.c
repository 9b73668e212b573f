/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An encryption function's two interfaces where the kernel encrypts (XFRM). Its
 * policies and SAs are chosen by the packet's mark, the service path header:
 *
 *   inside  ingress  xfrm_seal    takes VXLAN-GPE and NSH off, gives the packet to
 *                                 the interface that encrypts by policy
 *   outside egress   xfrm_sealed  puts them back in front of ESP
 *   outside ingress  xfrm_open    takes them off ESP, which the kernel decrypts and
 *                                 receives again: then puts them back, out by inside
 *
 * Headers wait in a ring of slots meanwhile; the packet's hash says which is its own.
 */
#include "lib/xfrm-frame.h"

INLINE bool strip(struct __sk_buff *skb, bool v6)
{
	__u32 len = sizeof(struct headers);
	long err;

	if (!v6)
		return !bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, 0);
	err = bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_DECAP_L3_IPV6);
	if (err != -EINVAL)
		return !err;
	/* Kernels before 6.3 change the protocol with 20 bytes more only. */
	if (bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0))
		return false;
	len += sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	return !bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, 0);
}

SEC("tc")
int xfrm_seal(struct __sk_buff *skb)
{
	struct xfrm_traffic *count = traffic(XFRM_OUT);
	struct xfrm_setup *cfg = setup();
	struct xfrm_tunnel *tunnel;
	struct headers h = {};
	struct inner in = {};
	__u32 path, sealed;

	if (!count || !cfg)
		return TC_ACT_SHOT;
	if (skb->gso_size) {
		count->unfinished++;
		return TC_ACT_SHOT;
	}
	switch (look(skb, &h)) {
	case LOOK_TUNNEL:
		break;
	case LOOK_OTHER:
		count->not_ip++;
		return TC_ACT_SHOT;
	default:
		count->malformed++;
		return TC_ACT_SHOT;
	}
	if (!look_inside(skb, AT_PACKET, &in)) {
		count->malformed++;
		return TC_ACT_SHOT;
	}
	path = bpf_ntohl(h.path);
	tunnel = bpf_map_lookup_elem(&xfrm_out, &path);
	if (!tunnel) {
		count->unknown_path++;
		return TC_ACT_SHOT;
	}
	sealed = sizeof(h) + (tunnel->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) +
		 ESP_HEADER_BYTES + ((in.bytes + ESP_TRAILER_BYTES + ESP_ALIGNMENT - 1) & -ESP_ALIGNMENT) + ESP_ICV_BYTES;
	if (sealed > cfg->outside.mtu_bytes) {
		count->too_big++;
		return TC_ACT_SHOT;
	}
	if ((AT_PACKET + in.bytes < skb->len && bpf_skb_change_tail(skb, AT_PACKET + in.bytes, 0)) ||
	    !strip(skb, in.version == 6) || !keep(skb, &h, in.bytes, 0)) {
		count->no_room++;
		return TC_ACT_SHOT;
	}
	return bpf_redirect(cfg->tunnel_ifindex, 0);
}

/* The kernel's header in front of ESP becomes that of the tunnel. */
INLINE bool put_outer(struct __sk_buff *skb, const struct xfrm_tunnel *tunnel, const struct iphdr *ip)
{
	struct ipv6hdr v6 = {};
	struct iphdr v4 = *ip;
	__u32 sum = 0;

	if (tunnel->family == 4) {
		v4.frag_off = bpf_htons(IP_DF);
		v4.id = 0;
		v4.ttl = TTL;
		v4.check = 0;
		__builtin_memcpy(&v4.saddr, tunnel->src, sizeof(v4.saddr));
		__builtin_memcpy(&v4.daddr, tunnel->dst, sizeof(v4.daddr));
#pragma unroll
		for (int i = 0; i < 10; i++)
			sum += ((__u16 *)&v4)[i];
		v4.check = ~fold(sum);
		return !bpf_skb_store_bytes(skb, AT_PACKET, &v4, sizeof(v4), 0);
	}
	v6.version = 6;
	v6.priority = ip->tos >> 4;
	v6.flow_lbl[0] = ip->tos << 4;
	v6.payload_len = bpf_htons(bpf_ntohs(ip->tot_len) - sizeof(*ip));
	v6.nexthdr = IPPROTO_ESP;
	v6.hop_limit = TTL;
	__builtin_memcpy(&v6.saddr, tunnel->src, sizeof(v6.saddr));
	__builtin_memcpy(&v6.daddr, tunnel->dst, sizeof(v6.daddr));
	return !bpf_skb_store_bytes(skb, AT_PACKET, &v6, sizeof(v6), 0);
}

/* Nothing but the kernel's ESP leaves, and the EF's own OAM packets. */
SEC("tc")
int xfrm_sealed(struct __sk_buff *skb)
{
	struct xfrm_traffic *count = traffic(XFRM_OUT);
	struct xfrm_setup *cfg = setup();
	struct xfrm_tunnel *tunnel;
	struct headers h = {};
	struct iphdr ip = {};
	struct slot *slot;
	__u32 path, grow = sizeof(h);

	if (!count || !cfg)
		return TC_ACT_SHOT;
	if (look(skb, &h) == LOOK_OAM)
		return TC_ACT_OK;
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) ||
	    ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_ESP ||
	    ip.saddr != bpf_htonl(XFRM_LOCAL) || ip.daddr != bpf_htonl(XFRM_REMOTE))
		return TC_ACT_SHOT;
	slot = kept(skb);
	path = skb->mark;
	tunnel = bpf_map_lookup_elem(&xfrm_out, &path);
	if (!slot || !tunnel) {
		count->no_room++;
		return TC_ACT_SHOT;
	}
	if (tunnel->family == 6)
		grow += sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	if (bpf_skb_adjust_room(skb, grow, BPF_ADJ_ROOM_MAC, 0) ||
	    !put_back(skb, slot, &cfg->outside, tunnel->family == 4 ? NSH_NEXT_IPV4 : NSH_NEXT_IPV6) ||
	    !put_outer(skb, tunnel, &ip)) {
		count->no_room++;
		return TC_ACT_SHOT;
	}
	count->packets++;
	count->bytes += slot->bytes;
	return TC_ACT_OK;
}

/* Decrypted by an SA of this SPI: on along its path. */
INLINE int opened(struct __sk_buff *skb, __u32 spi, struct xfrm_setup *cfg, struct xfrm_traffic *count)
{
	__u32 *path = bpf_map_lookup_elem(&xfrm_in, &spi);
	struct slot *slot = kept(skb);
	struct inner in = {};
	bool v6 = skb->protocol == bpf_htons(ETH_P_IPV6);

	if (!path) {
		count->unknown_spi++;
		return TC_ACT_SHOT;
	}
	if (!slot || slot->path != *path) {
		count->no_room++;
		return TC_ACT_SHOT;
	}
	if (!look_inside(skb, ETH_HLEN, &in) || in.version != (v6 ? 6 : 4)) {
		count->malformed++;
		return TC_ACT_SHOT;
	}
	if ((slot->traffic_class & ECN_MASK) == ECN_CE && !(in.traffic_class & ECN_MASK)) {
		count->congested++;
		return TC_ACT_SHOT;
	}
	if (sizeof(struct headers) + in.bytes > cfg->inside.mtu_bytes) {
		count->too_big++;
		return TC_ACT_SHOT;
	}
	/* What hides a packet's length is behind it (RFC 4303 section 2.7). */
	if ((ETH_HLEN + in.bytes < skb->len && bpf_skb_change_tail(skb, ETH_HLEN + in.bytes, 0)) ||
	    bpf_skb_adjust_room(skb, sizeof(struct headers), BPF_ADJ_ROOM_MAC, 0) ||
	    !put_back(skb, slot, &cfg->inside, v6 ? NSH_NEXT_IPV6 : NSH_NEXT_IPV4)) {
		count->no_room++;
		return TC_ACT_SHOT;
	}
	count->packets++;
	count->bytes += in.bytes;
	return bpf_redirect(cfg->inside.ifindex, 0);
}

/* ESP for the kernel: behind Ethernet, between the two addresses it knows. */
INLINE bool bare(struct __sk_buff *skb, const struct inner *in)
{
	__u32 esp_bytes = in->bytes - in->header_bytes;
	__u32 len = sizeof(struct headers) + in->header_bytes - sizeof(struct iphdr);
	struct iphdr ip = {
		.version = 4, .ihl = 5, .ttl = TTL, .protocol = IPPROTO_ESP,
		.tos = in->traffic_class,
	};
	__u32 sum = 0;

	if (AT_PACKET + in->bytes < skb->len && bpf_skb_change_tail(skb, AT_PACKET + in->bytes, 0))
		return false;
	if (bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, 0))
		return false;
	ip.tot_len = bpf_htons(sizeof(ip) + esp_bytes);
	ip.frag_off = bpf_htons(IP_DF);
	ip.saddr = bpf_htonl(XFRM_REMOTE);
	ip.daddr = bpf_htonl(XFRM_LOCAL);
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += ((__u16 *)&ip)[i];
	ip.check = ~fold(sum);
	return !bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

/* The EF itself looks at it; one that finds no room is missing as if lost. */
INLINE void tell(struct __sk_buff *skb)
{
	struct xfrm_oam oam;

	if (!bpf_skb_load_bytes(skb, 0, &oam, sizeof(oam)))
		bpf_ringbuf_output(&xfrm_oam, &oam, sizeof(oam), 0);
}

SEC("tc")
int xfrm_open(struct __sk_buff *skb)
{
	struct xfrm_traffic *count = traffic(XFRM_IN);
	struct xfrm_setup *cfg = setup();
	struct bpf_xfrm_state by = {};
	struct headers h = {};
	struct inner in = {};
	__u32 spi, esp_bytes, *path;

	if (!count || !cfg)
		return TC_ACT_SHOT;
	if (!bpf_skb_get_xfrm_state(skb, 0, &by, sizeof(by), 0))
		return opened(skb, bpf_ntohl(by.spi), cfg, count);
	if (skb->gso_size) {
		count->unfinished++;
		return TC_ACT_SHOT;
	}
	switch (look(skb, &h)) {
	case LOOK_TUNNEL:
		break;
	case LOOK_OTHER:
		count->not_esp++;
		return TC_ACT_SHOT;
	case LOOK_OAM:
		tell(skb);
		return TC_ACT_SHOT;
	default:
		count->malformed++;
		return TC_ACT_SHOT;
	}
	if (!look_inside(skb, AT_PACKET, &in)) {
		count->malformed++;
		return TC_ACT_SHOT;
	}
	if (in.protocol != IPPROTO_ESP) {
		count->not_esp++;
		return TC_ACT_SHOT;
	}
	if (in.fragment || in.bytes < in.header_bytes + sizeof(spi) ||
	    bpf_skb_load_bytes(skb, AT_PACKET + in.header_bytes, &spi, sizeof(spi))) {
		count->malformed++;
		return TC_ACT_SHOT;
	}
	spi = bpf_ntohl(spi);
	path = bpf_map_lookup_elem(&xfrm_in, &spi);
	if (!path) {
		count->unknown_spi++;
		return TC_ACT_SHOT;
	}
	/* Before it is decrypted: a copy must not use its number up. */
	if (*path != bpf_ntohl(h.path)) {
		count->wrong_path++;
		return TC_ACT_SHOT;
	}
	esp_bytes = in.bytes - in.header_bytes;
	if (esp_bytes < ESP_HEADER_BYTES + ESP_ALIGNMENT + ESP_ICV_BYTES || esp_bytes % ESP_ALIGNMENT) {
		count->malformed++;
		return TC_ACT_SHOT;
	}
	if (!bare(skb, &in) || !keep(skb, &h, 0, in.traffic_class)) {
		count->no_room++;
		return TC_ACT_SHOT;
	}
	bpf_skb_change_type(skb, PACKET_HOST);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
