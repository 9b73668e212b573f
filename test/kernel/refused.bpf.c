/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The verifier refuses it: the packet's end is not looked at. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int unchecked(struct __sk_buff *skb)
{
	return *(__u8 *)(long)skb->data;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
