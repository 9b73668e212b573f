/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What programs are measured against: nothing at all, and look-ups of the flow
 * table with a key of the packet's, one and many.
 */
#include "maps.h"
#include <linux/pkt_cls.h>

#define MANY 17

static __always_inline int look_up(struct __sk_buff *skb, int times)
{
	struct flow_key key;
	__u32 found = 0;

	/* The frame is the key of a flow that is there. */
	if (bpf_skb_load_bytes(skb, 0, &key, sizeof(key)))
		return TC_ACT_SHOT;
	for (int i = 0; i < times; i++) {
		struct flow *f = bpf_map_lookup_elem(&flows, &key);

		if (f)
			found += f->spi;
		asm volatile("" ::: "memory");
	}
	return found ? TC_ACT_OK : TC_ACT_UNSPEC;
}

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("tc")
int one_lookup(struct __sk_buff *skb)
{
	return look_up(skb, 1);
}

SEC("tc")
int many_lookups(struct __sk_buff *skb)
{
	return look_up(skb, MANY);
}

char _license[] SEC("license") = "Dual BSD/GPL";
