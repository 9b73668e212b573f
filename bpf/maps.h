/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct, enum and map that kernel and TypeScript share. The one source:
 * tools/gen-layout reads the compiled object's BTF and writes
 * src/kernel/layout.gen.ts. Fields of type __be16/__be32 are in network order.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Grows when a struct or a map changes: an agent adopts only its own layout. */
#define LAYOUT_VERSION 6

enum limits {
	MAX_HOPS = 32,		/* functions on one path */
	LEASE_MS = 100,		/* so long a node may let another past its functions */
	SI_START = 255,		/* first service index, RFC 8300 section 2.3 */
	NSH_TTL_DEFAULT = 63,	/* RFC 8300 section 2.2 */
	GROUP_SLOTS = 251,	/* consistent-hash slots of a rule; prime */
	MAX_MASKS = 128,	/* distinct masks one rule set may use */
	MAX_TENANTS = 4096,
	MAX_NODES = 4096,
	MAX_PORTS = 4096,
};

/* Why a packet was dropped. Every drop increments exactly one. */
enum drop_reason {
	DROP_NONE = 0,
	DROP_POLICY,		/* a rule says drop */
	DROP_DEFAULT,		/* no rule matched; the tenant's default is drop */
	DROP_TRUNCATED,		/* headers end before their length says */
	DROP_BAD_HEADER,	/* IP, NSH or VXLAN-GPE header contradicts itself */
	DROP_NOT_IP,		/* neither IP nor what a link needs: ARP, LLDP, 802.1X */
	DROP_UNOWNED,		/* addressed to nobody who is known here */
	DROP_SPOOFED,		/* source is not one of the tenant's subnets */
	DROP_NO_FRAGMENT_HEAD,	/* later fragment of a packet never seen */
	DROP_NO_PATH,		/* flow or header names a path this node lacks */
	DROP_NO_HOP,		/* path has nothing here at this service index */
	DROP_SI_ZERO,		/* service index has come to 0, RFC 8300 section 2.3 */
	DROP_TTL_ZERO,		/* passed too many forwarders, RFC 8300 section 2.2 */
	DROP_NSH_VERSION,	/* RFC 8300 section 2.2: version is not 0 */
	DROP_NSH_OAM,		/* O bit: never delivered to a function */
	DROP_NSH_MD_TYPE,	/* metadata type or length unknown */
	DROP_NEXT_PROTOCOL,	/* payload is neither IPv4, IPv6 nor Ethernet */
	DROP_VXLAN_FLAGS,	/* VXLAN-GPE without P and I, or version not 0 */
	DROP_UNKNOWN_PEER,	/* VXLAN-GPE from an address that is no node's */
	DROP_PORT_UNKNOWN,	/* interface is no port of ours */
	DROP_PORT_FORGED,	/* a function sent NSH or VXLAN-GPE by itself */
	DROP_PORT_UNBOUND,	/* flow or path is not bound to this port */
	DROP_PORT_LINK_LOCAL,	/* housekeeping of a function's kernel: ARP, ND, MLD */
	DROP_PORT_TAP,		/* a tap must not send */
	DROP_TOO_BIG,		/* larger than the path's MTU (ICMP was sent) */
	DROP_EXPIRED,		/* TTL or hop limit has come to its end (ICMP was sent) */
	DROP_DENIED,		/* the function lets nothing of this flow pass, as it showed before */
	DROP_FUNCTION_DOWN,	/* the function is down and may not be passed by */
	DROP_EXIT_FORBIDDEN,	/* route leads to an interface of another tenant */
	DROP_EXIT_NO_ROUTE,	/* no route, blackhole, or the neighbour is dead */
	DROP_EXIT_CONFLICT,	/* same tuple of another tenant already leaves here */
	DROP_PLAINTEXT,		/* of a sealed hop, about to leave the node as it is */
	DROP_UNSEALED,		/* for a place that packets reach out of the node's EF alone */
	DROP_NO_EF,		/* of a sealed hop, and the node has no encryption function */
	DROP_RESOURCES,		/* the kernel refused to grow, clone or redirect */
	DROP_REASON_COUNT,
};

/* What a flow's SPI says when it names no path. */
enum special_spi {
	SPI_PASS = 0,		/* not chained: goes where the node's routes lead */
	SPI_LOCAL = 0xfffffe,	/* for this node itself */
	SPI_DROP = 0xffffff,
};

enum iface_role { ROLE_NONE, ROLE_ACCESS, ROLE_EXIT, ROLE_UNDERLAY };
enum rule_side { SIDE_ACCESS, SIDE_EXIT };
enum hop_kind { HOP_NONE, HOP_PORT, HOP_TAP, HOP_NODE, HOP_EXIT };
enum rule_action { ACTION_PASS, ACTION_DROP, ACTION_CHAIN };
enum attach_kind { ATTACH_ROUTED, ATTACH_BRIDGED, ATTACH_TAP };
enum port_side { PORT_INSIDE, PORT_OUTSIDE };

enum hop_flags {
	HOP_PEER = 1,		/* veth into another namespace: redirect to its peer */
	HOP_FAR = 2,		/* behind this node the path goes on to another */
	/* HOP_NODE: there by way of this node's EF; any other: from it, and from nowhere else. */
	HOP_SEALED = 4,		/* as ESP, behind an outer NSH */
	HOP_SIGNED = 8,		/* with an RFC 9145 MAC in its NSH */
};

enum path_flags {
	PATH_PRESENT = 1,
	PATH_REVERSE = 2,
	PATH_FAR = 4,		/* a hop of it here has HOP_FAR */
	PATH_DSCP = 8,		/* another DSCP may be of another path: it is part of every key */
	PATH_SEALED = 16,	/* a hop of it here has HOP_SEALED or HOP_SIGNED */
	PATH_FAILED = 32,	/* packets that enter it take `backup` */
	PATH_PLAIN = 64,	/* it is sealed, but a hop from here to another node is in the clear */
	PATH_CLOSED = 128,	/* no packet enters it any more: what may be in the clear has changed */
};

enum rule_flags {
	RULE_KEEP = 1,		/* running flows stay on their path after a change */
};

enum event_kind {
	EVENT_NONE,
	EVENT_DROP,		/* sampled like all: one a reason, or kind, and 100 ms at most */
	EVENT_LEARNED,		/* a function lets a flow pass */
	EVENT_DENIED,		/* nothing of a flow came back */
	EVENT_REVOKED,		/* a sample of a learned flow did not come back, or came back changed */
	EVENT_KINDS,
};

/* What may be learned from a function. */
enum offload { OFFLOAD_NONE, OFFLOAD_VERDICT, OFFLOAD_REWRITE };

/* What a function has said of a flow. */
enum verdict {
	VERDICT_PENDING,	/* nothing yet: it gets the flow's packets */
	VERDICT_ALLOW,		/* lets it pass as it is */
	VERDICT_REWRITE,	/* lets it pass with another header */
	VERDICT_DENY,		/* gave nothing back in time */
	VERDICT_CLOSING,	/* FIN or RST was seen: nothing more is learned */
};

enum service_flags {
	SERVICE_DOWN = 1,
	SERVICE_FAIL_OPEN = 2,	/* passed by while it is down */
	SERVICE_RESET = 4,	/* TCP is reset, both ends, while it is down */
};

/* What became of states, by port: index of verdict_counters is port * COUNT_KINDS + this. */
enum verdict_counter {
	COUNT_LEARNED,		/* settled allow or rewrite */
	COUNT_DENIED,		/* settled deny */
	COUNT_REVOKED,		/* a sample did not come back */
	COUNT_EXPIRED,		/* idle too long, or judged by rules that are gone */
	COUNT_CLOSED,		/* FIN or RST */
	COUNT_SKIPPED,		/* packets handled without the function */
	COUNT_FAILED_OPEN,	/* packets passed by a function that is down */
	COUNT_UNASKED,		/* packets given back that were never given */
	COUNT_OUTSIDE_WINDOW,	/* FIN or RST that no endpoint can have sent: taken for data */
	COUNT_KINDS,
};

/* 16-byte address; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct addr {
	__be32 w[4];
};

struct tuple {
	struct addr src;
	struct addr dst;
	__be16 sport;		/* ICMP echo: identifier, in both ports */
	__be16 dport;
	__u8 proto;
	__u8 dscp;		/* 0 unless the tenant's rules look at it */
	__u8 pad[2];		/* pad[0]: TUPLE_ORIGIN or 0 */
};

/*
 * Marks the entry by which replies find their way to a user whose flow's own
 * key has a DSCP: a reply cannot know it.
 */
#define TUPLE_ORIGIN 1

/*
 * Whose tuple it is. Access side: the tenant's id. Shared exit: 0. Port:
 * PORT_SCOPE(id, side the packet comes back on). Just decapsulated:
 * UNDERLAY_SCOPE(spi).
 */
#define SCOPE_SHARED 0u
#define UNDERLAY_SCOPE(spi) (0x40000000u | (spi))
#define PORT_SCOPE(id, side) (0x80000000u | ((__u32)(id) << 1) | (side))

/*
 * Mark of a packet inside a function: the port and side it came in by. What the
 * function's kernel sends in answer reflects it and is routed back that way.
 */
#define PORT_MARK(id, side) (0x636d0000u | ((__u32)(id) << 1) | (side))

struct flow_key {
	__u32 scope;
	struct tuple t;
};

/* Flow table: what the classifier decided about a flow. */
struct flow {
	__u32 spi;		/* of the path, or enum special_spi */
	__u32 generation;	/* of the rule set that decided; 0: learned at an exit */
	__u32 policy;
	__u32 born;		/* of the path; of what let pass what this answers: born_of_rules() */
	__u32 ifindex;		/* where the flow's packets arrive, and replies leave */
	__u64 first_seen_ns;
	__u64 last_seen_ns;
	__u64 packets;
	__u64 bytes;
	__u16 tenant;
	__u16 vlan;
	__u8 mac[6];		/* of the neighbour the flow's packets come from */
	__u8 local_mac[6];	/* that it sends them to */
	__u8 pad[4];
};

/*
 * What an NSH says beside the packet's place: forwarders and proxies keep it as
 * it came (RFC 8300 sections 2.2 and 2.4).
 */
struct metadata {
	__be32 context[4];	/* of MD type 1 */
	__u16 unassigned;	/* bits of the base header that mean nothing yet */
	__u8 present;		/* 0: the node that writes the header writes its own context */
	__u8 pad[5];
};

/*
 * Service state list: what a function holds of a flow, and has said of it. Key:
 * the port and the side it must come back on, and its tuple as it was given.
 */
struct state {
	__u32 spi;
	__u32 born;		/* of the path */
	__u8 si;		/* service index after the function */
	__u8 ttl;
	__u16 tenant;
	__u32 next_sequence;	/* TCP: behind the highest byte seen; 0: not known */
	__u64 first_seen_ns;
	__u64 last_seen_ns;
	__u64 delivered;	/* packets given to the function */
	__u64 returned;		/* packets it gave back */
	__u64 given_ns;		/* first packet of this generation */
	__u64 vouched_ns;	/* when the function last let a packet pass; 0: never */
	__u64 sampled_ns;	/* a sample is with the function since; 0: none */
	__u64 until_ns;		/* end of a deny; before it, nothing settles a pending one */
	__u64 skipped;		/* packets handled without the function */
	__u64 skipped_bytes;
	__u32 generation;	/* of the service that judges, or judged, it */
	__u32 tag;		/* of the packets given: a rewritten one is known by it */
	__u8 verdict;		/* enum verdict */
	__u8 hop_limit;		/* of the newest packet given */
	__u8 hop_limit_taken;	/* by the function */
	__u8 dscp;		/* of the newest packet given */
	__u32 length;		/* of its IP packet, or super-packet */
	struct metadata metadata;	/* of the newest packet */
};

/* Header of a flow as its function gives it back. Key: as `states`. */
struct rewrite {
	struct tuple t;		/* with its DSCP */
	__u8 set_dscp;
	__u8 hop_limit;		/* 0: as many less as the state says */
	__u8 pad[2];
};

/* Past functions that let a flow pass: see lib/shortcut.h. Key: the flow as it enters the node. */
struct shortcut {
	__u32 epoch;		/* it holds in this one; 0: it has ended */
	__u32 spi;
	__u32 born;		/* of the path */
	__u32 next_sequence;	/* as in struct state */
	__u64 until_ns;
	__u64 packets;		/* passed by it, of which the states do not know yet */
	__u64 bytes;
	struct rewrite rewrite;
	__u8 si;		/* where it starts */
	__u8 hops;		/* functions passed by */
	__u8 hop_limit_taken;	/* by them together */
	__u8 rewrites;
};

/*
 * Where a flow's packets may go instead of to the next node: see lib/far.h. Key:
 * the flow as it enters the node that asks.
 */
struct grant {
	__u64 until_ns;
	__u64 asked_ns;
	__u64 ask_ns;		/* when to ask again */
	__u32 spi;
	__u32 born;		/* of the path */
	__be32 nonce;		/* of the question; 0: it is answered */
	__u32 node;
	__u32 packets;		/* that have gone there since it was asked last */
	__u32 bytes;
	__u8 from_si;		/* where they would leave for the next node */
	__u8 to_si;		/* their place at `node` */
	__u8 taken;		/* from the hop limit, by the functions between */
	__u8 refused;		/* questions in a row that led nowhere */
	__u8 pad[4];
};

struct epoch {
	__u32 now;		/* a new one ends all shortcuts at once; never 0 */
	__u32 learning;		/* whether something may be learned from any function here */
};

/* Index: port id. How the proxy treats what a function says. */
struct service {
	__u32 generation;	/* a new one forgets every verdict at once */
	__u8 offload;		/* enum offload */
	__u8 flags;		/* enum service_flags */
	__u16 learn_after;	/* packets that came back; 0: TCP once established, else one */
	__u32 deadline_ms;	/* without a packet back: deny */
	__u32 deny_ms;
	__u32 revalidate_ms;	/* a sample goes through the function that often */
	__u32 idle_tcp_ms;
	__u32 idle_udp_ms;
	__u32 pad;
};

struct iface_key {
	__u32 ifindex;
	__u32 vlan;
};

struct iface {
	__u16 tenant;		/* 0: shared */
	__u8 role;		/* enum iface_role */
	__u8 pad;
	__u32 scope;		/* flow scope of packets that arrive here */
};

/* Index of both: tenant * 2 + enum rule_side. */
struct rule_set {
	__u32 table;		/* first part of rule_key; a new set has a new table */
	__u32 generation;
	__u32 first_mask;	/* in rule_masks */
	__u16 mask_count;
	__u8 default_drop;
	__u8 pad;
};

/* What the hit path has to know of a set; written after the set itself. */
struct rule_version {
	__u32 generation;	/* 0: no set */
	__u32 uses_dscp;
};

struct match {
	struct addr src;
	struct addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 dscp;
	__u8 icmp_type;
	__u8 family;		/* 4 or 6; 0 in a mask: both */
};

struct rule_mask {
	struct match mask;
	__u32 max_rank;		/* highest rank of a rule that uses this mask */
};

struct rule_key {
	__u32 table;
	__u32 mask;		/* index in rule_masks */
	struct match value;
};

struct rule {
	__u32 rank;
	__u32 policy;
	__u32 spi;		/* the only path, or 0: choose from `group` */
	__u32 group;
	__u8 action;		/* enum rule_action */
	__u8 flags;		/* enum rule_flags */
	__u8 pad[2];
};

struct group {
	__u32 spi[GROUP_SLOTS];
};

/* Index: SPI. */
struct path {
	__u32 reverse_spi;
	__u32 first_hop;	/* in hops; entry i serves service index SI_START - i */
	__u32 policy;
	__u32 born;		/* no two paths have the same: an SPI may be given anew */
	__u16 tenant;
	__u16 mtu;		/* largest inner IP packet */
	__u8 length;		/* functions on the path; entry `length` is the exit */
	__u8 flags;		/* enum path_flags */
	__u8 pad[2];
	__u32 backup;		/* SPI of the path to take where this one has failed */
};

struct hop {
	__u8 kind;		/* enum hop_kind */
	__u8 flags;		/* enum hop_flags */
	__u16 port;		/* HOP_PORT, HOP_TAP: id */
	__u16 node;		/* HOP_NODE: id */
	__u8 side;		/* HOP_PORT: side the packet comes back on */
	__u8 pad;
	__u32 ifindex;		/* HOP_PORT, HOP_TAP: host end of the veth */
	__u8 dmac[6];
	__u8 smac[6];
};

/* By ifindex of the host end. */
struct port {
	__u16 id;
	__u8 side;		/* enum port_side */
	__u8 attach;		/* enum attach_kind */
	__u32 bound_spi;	/* only path whose packets come back here, or 0 */
	__u32 bound_si;		/* service index they have then */
	struct addr probe;	/* destination of probes sent through; all 0: none */
};

struct node {
	__be32 underlay;	/* IPv4 address */
	__u8 present;
	__u8 pad[3];
};

/* One side of the node's encryption function (EF): host end of a veth. */
struct ef_side {
	__u32 ifindex;
	__u8 dmac[6];
	__u8 smac[6];
};

enum ef_flags {
	EF_PRESENT = 1,
	EF_TAPPED = 2,		/* frames are read off its interfaces, no stack is to look at them */
};

struct ef {
	struct ef_side inside;	/* takes plaintext, gives what it has opened */
	struct ef_side outside;	/* gives what it has sealed, takes what is to be opened */
	__u32 flags;		/* enum ef_flags */
};

struct lpm_key {
	__u32 prefixlen;	/* counts from the first bit of scope */
	__be32 scope;		/* tenant for `subnets`; 0 for `owners` */
	struct addr addr;
};

struct frag_key {
	__u32 scope;
	struct addr src;
	struct addr dst;
	__be32 id;
	__u32 proto;
};

struct frag {
	__be16 sport;
	__be16 dport;
};

struct config {
	__u32 layout;		/* LAYOUT_VERSION of who wrote the maps */
	__u32 node_id;
	__be32 underlay;	/* source of our VXLAN-GPE; 0: stands alone */
	__be16 vxlan_port;
	__u16 pad;
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct tally {
	__u64 count;
};

struct beat {
	__u64 last_ns;
};

struct probe {
	__u64 last_seen_ns;
	__u64 count;
};

struct event {
	__u64 time_ns;
	__u32 kind;		/* enum event_kind */
	__u32 reason;		/* enum drop_reason */
	__u32 spi;
	__u32 ifindex;
	__u16 tenant;
	__u16 port;		/* of the function, where it is about one; else 0 */
	struct tuple t;
};

#ifndef __LAYOUT_ONLY

/* Sizes are defaults; the agent sets them by the node's capacity at load. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct flow_key);
	__type(value, struct flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct flow_key);
	__type(value, struct state);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct rewrite);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rewrites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct flow_key);
	__type(value, struct shortcut);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} shortcuts SEC(".maps");

/* Index: as hops. What went by shortcut from this entry on, to the next that is no function. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} shortcut_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct epoch);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} epochs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct grant);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} grants SEC(".maps");

/* When another node was last let past functions of this one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct beat);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} granted SEC(".maps");

/* Tag of a packet that may come back with another tuple -> its state. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct flow_key);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} tags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct service);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} services SEC(".maps");

/* Index: port id. When a packet last came back from it: a function that is alive. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct beat);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} beats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_PORTS * COUNT_KINDS);
	__type(key, __u32);
	__type(value, struct tally);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} verdict_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct frag_key);
	__type(value, struct frag);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} frags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct iface_key);
	__type(value, struct iface);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ifaces SEC(".maps");

/* A hash without preallocation: an entry is replaced whole, never overwritten. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, 1 /* BPF_F_NO_PREALLOC */);
	__uint(max_entries, 2 * MAX_TENANTS);
	__type(key, __u32);
	__type(value, struct rule_set);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rule_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * MAX_TENANTS);
	__type(key, __u32);
	__type(value, struct rule_version);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rule_versions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct rule_mask);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rule_masks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, 1 /* BPF_F_NO_PREALLOC */);
	__uint(max_entries, 1048576);
	__type(key, struct rule_key);
	__type(value, struct rule);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct group);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct path);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct hop);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} hops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MAX_PORTS);
	__type(key, __u32);
	__type(value, struct port);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ports SEC(".maps");

/* Index: node id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_NODES);
	__type(key, __u32);
	__type(value, struct node);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} nodes SEC(".maps");

/* Underlay address of a known node -> its id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NODES);
	__type(key, struct addr);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} peers SEC(".maps");

/* Addresses of this node itself: never steered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct addr);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} locals SEC(".maps");

/* (tenant, prefix) -> 1: sources a tenant may use. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, 1 /* BPF_F_NO_PREALLOC */);
	__uint(max_entries, 65536);
	__type(key, struct lpm_key);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} subnets SEC(".maps");

/* (0, prefix) -> tenant: whose an address is at a shared exit. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, 1 /* BPF_F_NO_PREALLOC */);
	__uint(max_entries, 65536);
	__type(key, struct lpm_key);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ef);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ef SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} config SEC(".maps");

/* Index: as hops. A path's own count is that of its first entry. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} hop_counters SEC(".maps");

/* Index: port id * 4 + side * 2 + (0: to the function, 1: from it). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4 * MAX_PORTS);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} port_counters SEC(".maps");

/* Index: enum drop_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASON_COUNT);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} drops SEC(".maps");

/* Index: port id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct probe);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} probes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps");

#endif
