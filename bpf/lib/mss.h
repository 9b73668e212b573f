/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clamps the MSS option of a SYN to what the path can carry (RFC 9293 section 3.7.1). */
#pragma once

#include "types.h"
#include <linux/tcp.h>
#include <stddef.h>

#define TCP_OPTIONS_MAX 40
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2

struct options {
	struct __sk_buff *skb;
	__u32 off;
	__u32 end;
	__u32 mss;		/* where its value stands in the frame; 0: not found */
};

static long next_option(__u32 i, struct options *o)
{
	__u8 option[2];

	if (o->off + 2 > o->end || bpf_skb_load_bytes(o->skb, o->off, option, sizeof(option)) ||
	    option[0] == TCP_OPTION_END)
		return 1;
	if (option[0] == TCP_OPTION_NOP) {
		o->off++;
		return 0;
	}
	if (option[0] == TCP_OPTION_MSS) {
		o->mss = option[1] == 4 && o->off + 4 <= o->end ? o->off + 2 : 0;
		return 1;
	}
	o->off += option[1];
	return option[1] < 2;
}

COLD int clamp_mss(struct __sk_buff *skb, const struct packet *p, __u32 mtu)
{
	struct options o = { .skb = skb };
	__be16 old, new;
	__u32 most;

	if (!p)
		return 0;
	o.off = p->l4 + sizeof(struct tcphdr);
	o.end = p->l4 + p->l4_len;
	bpf_loop(TCP_OPTIONS_MAX, next_option, &o, 0);
	if (!o.mss || bpf_skb_load_bytes(skb, o.mss, &old, sizeof(old)))
		return 0;
	most = mtu - (p->family == 4 ? 20 : 40) - sizeof(struct tcphdr);
	if (bpf_ntohs(old) <= most)
		return 0;
	new = bpf_htons(most);
	bpf_l4_csum_replace(skb, p->l4 + offsetof(struct tcphdr, check), old, new, sizeof(new));
	return bpf_skb_store_bytes(skb, o.mss, &new, sizeof(new), 0);
}
