// The Debian packages Chainmail's tools use, why each is needed and by what it is recognised.

/**
 * `finds`: commands on PATH, or absolute paths (`*` stands for one directory);
 * one that exists is enough. `for`: the tasks that need it.
 */
export const packages = [
	{
		name: "libbpf1",
		why: "loads the data plane into the kernel",
		finds: ["/usr/lib/*/libbpf.so.1", "/usr/lib64/libbpf.so.1"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "libipsec-mb1",
		why: "encrypts twice as fast as libcrypto, on processors of x86",
		finds: ["/usr/lib/*/libIPSec_MB.so.1", "/usr/lib64/libIPSec_MB.so.1"],
		for: ["test", "bench"],
	},
	{
		name: "libbpf-dev",
		why: "headers of the data plane's programs",
		finds: ["/usr/include/bpf/bpf_helpers.h"],
		for: ["build"],
	},
	{
		name: "linux-libc-dev",
		why: "kernel headers of the data plane's programs",
		finds: ["/usr/include/linux/bpf.h"],
		for: ["build"],
	},
	{
		name: "clang",
		why: "compiles the data plane's programs",
		finds: [
			"clang",
			"clang-14",
			"clang-16",
			"clang-17",
			"clang-18",
			"clang-19",
		],
		for: ["build"],
	},
	{
		name: "bpftool",
		why: "reads the kernel layout from the compiled programs",
		finds: ["bpftool"],
		for: ["build"],
	},
	{
		name: "iproute2",
		why: "namespaces, links, addresses and routes",
		finds: ["ip"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "nftables",
		why: "the firewalls and NATs of the examples",
		finds: ["nft"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "procps",
		why: "kernel settings of the lab's hosts (sysctl)",
		finds: ["sysctl"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "util-linux",
		why: "runs programs inside the lab's hosts (nsenter, setpriv)",
		finds: ["nsenter"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "iperf3",
		why: "TCP throughput",
		finds: ["iperf3"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "curl",
		why: "HTTP through the chain",
		finds: ["curl"],
		for: ["demo", "test"],
	},
	{
		name: "iputils-ping",
		why: "ICMP through the chain",
		finds: ["ping"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "tcpdump",
		why: "captures: the tap function of the examples, and what tests look at",
		finds: ["tcpdump"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "sockperf",
		why: "round-trip times",
		finds: ["sockperf"],
		for: ["test", "bench"],
	},
	{
		name: "netsniff-ng",
		why: "64-byte packets at full rate (trafgen)",
		finds: ["trafgen"],
		for: ["test", "bench"],
	},
	{
		name: "tshark",
		why: "independent reading of our packets",
		finds: ["tshark"],
		for: ["test"],
	},
	{
		name: "ethtool",
		why: "switches offloads off for the independent NSH peer",
		finds: ["ethtool"],
		for: ["test", "bench"],
	},
	{
		name: "kmod",
		why: "tells which kernel modules there are (modinfo)",
		finds: ["modinfo"],
		for: ["demo", "test", "bench"],
	},
	{
		name: "xz-utils",
		why: "unpacks modules of the kernels that tests boot",
		finds: ["xz"],
		for: ["test"],
	},
	{
		name: "wireguard-go",
		why: "what the user-space ESP engine is measured against",
		finds: ["wireguard-go"],
		for: ["bench"],
	},
	{
		name: "wireguard-tools",
		why: "configures it (wg)",
		finds: ["wg"],
		for: ["bench"],
	},
	{
		name: "openvswitch-switch",
		why: "independent NSH peer",
		finds: ["ovs-vswitchd"],
		for: ["test", "bench"],
	},
];
