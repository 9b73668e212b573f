/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inner forwarder: tc ingress of the host end of the EF's inside. What the EF has
 * opened goes on along its path, from a place that is reached in no other way.
 */
#include "lib/parse.h"
#include "lib/classify.h"
#include "lib/tunnel.h"

SEC("tc")
int inner(struct __sk_buff *skb)
{
	struct decapsulation d = {};
	struct packet p = {};
	struct outer *o;
	struct hop *hop;
	__u32 index;
	int err;

	/* Headers may sit in a page fragment. */
	if ((void *)(long)skb->data + ETH_HLEN + sizeof(*o) > (void *)(long)skb->data_end)
		bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
	o = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(o + 1) > (void *)(long)skb->data_end)
		return drop(skb, 0, DROP_TRUNCATED, 0);
	err = check_length(skb, o);
	if (!err)
		err = check_gpe(o, &d);
	if (!err && (d.oam || d.sealed || !d.at.metadata.present))
		err = DROP_PORT_FORGED;
	if (err)
		return drop(skb, 0, err, d.at.spi);
	hop = hop_at(d.at.spi, d.at.si, &index);
	if (!hop || hop->kind == HOP_NODE || !through_ef(hop))
		return drop(skb, 0, DROP_PORT_UNBOUND, d.at.spi);
	return go_on(skb, &p, &d);
}

char _license[] SEC("license") = "Dual BSD/GPL";
