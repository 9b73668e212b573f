/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Small programs and maps for the tests of src/kernel. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct sample {
	__u64 mark;
	__u32 length;
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} samples SEC(".maps");

static __always_inline void count(__u32 index)
{
	__u64 *value = bpf_map_lookup_elem(&seen, &index);

	if (value)
		*value += 1;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	count(0);
	return TC_ACT_OK;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	count(1);
	return TC_ACT_OK;
}

/* Reports the packet, doubles its mark and writes 0xab into its first byte. */
SEC("tc")
int report(struct __sk_buff *skb)
{
	struct sample sample = {
		.mark = skb->mark,
		.length = skb->len,
		.ifindex = skb->ifindex,
	};
	__u8 byte = 0xab;

	bpf_ringbuf_output(&samples, &sample, sizeof(sample), 0);
	skb->mark *= 2;
	bpf_skb_store_bytes(skb, 0, &byte, 1, 0);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
