/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When each message of a flow left the sender's interface and came to the
 * receiver's: both namespaces have one clock. sockperf numbers its messages from
 * 1, in the first eight bytes of the payload.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define STAMPS 65536
#define PORT 11111

/* Index: number of the message, from 0. Monotonic clock, ns. */
struct stamps {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STAMPS);
	__type(key, __u32);
	__type(value, __u64);
};

struct stamps sent SEC(".maps");
struct stamps received SEC(".maps");

struct message {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be64 number;
} __attribute__((packed));

static __always_inline int stamp(struct __sk_buff *skb, void *map)
{
	__u64 now = bpf_ktime_get_ns();
	struct message m;
	__u32 index;

	if (!bpf_skb_load_bytes(skb, 0, &m, sizeof(m)) && m.eth.h_proto == bpf_htons(ETH_P_IP) &&
	    m.ip.protocol == IPPROTO_UDP && m.udp.dest == bpf_htons(PORT)) {
		index = bpf_be64_to_cpu(m.number) - 1;
		bpf_map_update_elem(map, &index, &now, BPF_ANY);
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int leaves(struct __sk_buff *skb)
{
	return stamp(skb, &sent);
}

SEC("tc")
int arrives(struct __sk_buff *skb)
{
	return stamp(skb, &received);
}

char _license[] SEC("license") = "Dual BSD/GPL";
