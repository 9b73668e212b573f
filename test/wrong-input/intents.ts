/** Documents that do not fit each other. Runner: model.test.ts. */
import {
	EDGE1,
	FIREWALL,
	fn,
	node,
	policy,
	TENANT,
	type WrongInput,
} from "./row.js";

export const intents: readonly WrongInput[] = [
	{
		title: "a prefix with host bits",
		input: "kind: Tenant\nname: blue\nspec:\n  subnets:\n    - 10.0.1.7/24\n",
		expect: {
			place: "5:7",
			message: "`10.0.1.7/24` has host bits set",
			hint: "did you mean `10.0.1.0/24`?",
		},
	},
	{
		title: "a prefix without a length",
		input: "kind: Tenant\nname: blue\nspec:\n  subnets: [10.0.1.0]\n",
		expect: {
			place: "4:13",
			message: "`10.0.1.0` is not a prefix",
			hint: "a prefix has a length: `10.0.1.0/32` is this address alone",
		},
	},
	{
		title: "a prefix too long",
		input: "kind: Tenant\nname: blue\nspec:\n  subnets: [10.0.1.0/33]\n",
		expect: {
			place: "4:13",
			message: "`10.0.1.0/33` is not a prefix",
			hint: "the length of an IPv4 prefix is 0 to 32",
		},
	},
	{
		title: "a subnet twice",
		input:
			"kind: Tenant\nname: blue\nspec:\n  subnets: [10.0.1.0/24, 10.0.1.0/24]\n",
		expect: {
			place: "4:26",
			message: "`10.0.1.0/24` is listed twice",
			hint: "remove one of them",
		},
	},
	{
		title: "an exit that is no node",
		input:
			"kind: Tenant\nname: blue\nspec:\n  subnets: [10.0.1.0/24]\n  exit: egde1\n" +
			EDGE1,
		expect: {
			place: "5:9",
			message: "there is no node `egde1`",
			hint: "did you mean `edge1`?",
		},
	},
	{
		title: "an access interface without tenant",
		input: node("  interfaces:\n    - { name: ap, role: access }\n"),
		expect: {
			place: "5:9",
			message: "access interface `ap` needs a tenant",
			hint: "add `tenant: NAME`: whose packets arrive there",
		},
	},
	{
		title: "an interface of an unknown tenant",
		input:
			TENANT +
			"---\n" +
			node("  interfaces:\n    - { name: ap, role: access, tenant: bleu }\n"),
		expect: {
			place: "10:41",
			message: "there is no tenant `bleu`",
			hint: "did you mean `blue`?",
		},
	},
	{
		title: "an interface twice",
		input: node(
			"  interfaces:\n    - { name: ap, role: exit }\n    - { name: ap, role: exit }\n",
		),
		expect: {
			place: "6:15",
			message: "interface `ap` is listed twice",
			hint: "an interface has one role; users on VLANs differ in `vlan`",
		},
	},
	{
		title: "an underlay with a prefix length",
		input: node(
			"  underlay: 192.0.2.1/24\n  interfaces:\n    - { name: up, role: underlay }\n",
		),
		expect: {
			place: "4:13",
			message: "`192.0.2.1/24` is not an address",
			hint: "did you mean `192.0.2.1`?",
		},
	},
	{
		title: "an IPv6 underlay",
		input: node(
			"  underlay: 2001:db8::1\n  interfaces:\n    - { name: up, role: underlay }\n",
		),
		expect: {
			place: "4:13",
			message: "the underlay is IPv4 for now",
			hint: "give the node an IPv4 address; the traffic inside may be IPv6",
		},
	},
	{
		title: "two nodes with one underlay address",
		input: TENANT + EDGE1 + EDGE1.replace("edge1", "edge2"),
		expect: {
			place: "17:13",
			message: "node `edge1` has the same underlay address",
			hint: "give each node its own",
		},
	},
	{
		title: "an underlay interface without address",
		input: node("  interfaces:\n    - { name: up, role: underlay }\n"),
		expect: {
			place: "4:3",
			message: "an underlay interface needs the node's underlay address",
			hint: "add `underlay: 192.0.2.1` to the node",
		},
	},
	{
		title: "a chain with an unknown function",
		input: `${TENANT + EDGE1 + FIREWALL}---\n${policy("match(*) >> firewal")}`,
		expect: {
			place: "25:21",
			message: "there is no function `firewal`",
			hint: "did you mean `firewall`?",
		},
	},
	{
		title: "a function twice in a chain",
		input:
			TENANT +
			EDGE1 +
			FIREWALL +
			"---\n" +
			policy("match(*) >> firewall -> firewall"),
		expect: {
			place: "25:33",
			message: "function `firewall` is already in this chain",
			hint: "remove it here; a packet meets each function once",
		},
	},
	{
		title: "a policy of an unknown tenant",
		input: `${TENANT}---\n${policy("match(*) >> pass", "  tenant: red\n")}`,
		expect: {
			place: "10:11",
			message: "there is no tenant `red`",
			hint: "known: `blue`",
		},
	},
	{
		title: "a rule about an unknown tenant",
		input: `${TENANT}---\n${policy("match(tenant=blu) >> pass")}`,
		expect: {
			place: "9:22",
			message: "there is no tenant `blu`",
			hint: "did you mean `blue`?",
		},
	},
	{
		title: "a predicate no packet matches",
		input: `${TENANT}---\n${policy("match(proto=icmp & dport=80) >> pass")}`,
		expect: {
			place: "9:15",
			message: "no packet can match this predicate",
			hint: "tests joined by `&` must all hold; did you mean `|`? (ports need tcp, udp or sctp)",
		},
	},
	{
		title: "a predicate too large",
		input:
			TENANT +
			"---\n" +
			policy("match(src!=2001:db8::1 & dst!=2001:db8::1) >> pass"),
		expect: {
			place: "9:15",
			message: "predicate expands to more than 4096 masked keys",
			hint: "split it into several policies, or use fewer negated prefixes and ranges",
		},
	},
	{
		title: "an instance on an unknown node",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: routed\n  runtime: process\n  instances:\n    - { name: fw-1, node: edge9 }\n",
			),
		expect: {
			place: "20:27",
			message: "there is no node `edge9`",
			hint: "did you mean `edge1`?",
		},
	},
	{
		title: "an external function without interfaces",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: routed\n  runtime: external\n  instances:\n    - { name: fw-1, node: edge1 }\n",
			),
		expect: {
			place: "20:9",
			message: "external instance `fw-1` needs `inside`",
			hint: "add `inside: IFACE`: the node's interface towards the function",
		},
	},
	{
		title: "a process with interfaces",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: routed\n  runtime: process\n  instances:\n    - { name: fw-1, node: edge1, inside: eth7 }\n",
			),
		expect: {
			place: "20:34",
			message: "Chainmail makes the ports of a process: `inside` has no use",
			hint: "remove `inside`, or write `runtime: external`",
		},
	},
	{
		title: "a command for an external function",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: bridged\n  runtime: external\n  command: [tcpdump]\n  instances:\n    - { name: fw-1, node: edge1, inside: a, outside: b }\n",
			),
		expect: {
			place: "19:3",
			message:
				"an external function is not run by Chainmail: `command` has no use",
			hint: "remove `command`, or write `runtime: process`",
		},
	},
	{
		title: "a tap that rewrites",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: tap\n  runtime: process\n  command: [tcpdump, -i, tap]\n  rewrites: true\n  instances:\n    - { name: fw-1, node: edge1 }\n",
			),
		expect: {
			place: "20:13",
			message: "a tap function cannot rewrite addresses",
			hint: "write `attach: routed`, or remove `rewrites`",
		},
	},
	{
		title: "a tap without command",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: tap\n  runtime: process\n  instances:\n    - { name: fw-1, node: edge1 }\n",
			),
		expect: {
			place: "16:1",
			message: "a tap needs a `command` that reads its port",
			hint: "add `command: [tcpdump, -i, tap, -w, /tmp/tap.pcap]`",
		},
	},
	{
		title: "a change to be learned of a function that makes none",
		input:
			"kind: Node\nname: n\nspec:\n  interfaces:\n    - { name: ap, role: exit }\n---\nkind: Function\nname: f\nspec:\n  attach: routed\n  runtime: process\n  offload: rewrite\n  instances:\n    - { name: a, node: n }\n",
		expect: {
			place: "12:12",
			message: "what changes no addresses has no change to be learned",
			hint: "write `offload: verdict`, or add `rewrites: true`",
		},
	},
	{
		title: "a verdict to be learned of a tap",
		input:
			"kind: Node\nname: n\nspec:\n  interfaces:\n    - { name: ap, role: exit }\n---\nkind: Function\nname: f\nspec:\n  attach: tap\n  runtime: process\n  command: [tcpdump]\n  offload: verdict\n  instances:\n    - { name: a, node: n }\n",
		expect: {
			place: "13:12",
			message: "a tap lets nothing pass that could be learned",
			hint: "remove `offload`",
		},
	},
	{
		title: "a tap that fails closed",
		input:
			"kind: Node\nname: n\nspec:\n  interfaces:\n    - { name: ap, role: exit }\n---\nkind: Function\nname: f\nspec:\n  attach: tap\n  runtime: process\n  command: [tcpdump]\n  onFailure: closed\n  instances:\n    - { name: a, node: n }\n",
		expect: {
			place: "13:3",
			message: "a tap holds nothing up when it fails",
			hint: "remove `onFailure`",
		},
	},
	{
		title: "a NAT that is passed by",
		input:
			"kind: Node\nname: n\nspec:\n  interfaces:\n    - { name: ap, role: exit }\n---\nkind: Function\nname: f\nspec:\n  attach: routed\n  runtime: process\n  rewrites: true\n  onFailure: open\n  instances:\n    - { name: a, node: n }\n",
		expect: {
			place: "13:14",
			message:
				"packets that pass by what rewrites them have addresses that nobody answers",
			hint: "write `onFailure: closed` or `reset`",
		},
	},
	{
		title: "standbys alone",
		input:
			"kind: Node\nname: n\nspec:\n  interfaces:\n    - { name: ap, role: exit }\n---\nkind: Function\nname: f\nspec:\n  attach: routed\n  runtime: process\n  instances:\n    - { name: a, node: n, standby: true }\n",
		expect: {
			place: "13:36",
			message: "every instance is a standby: there is none to stand by for",
			hint: "remove `standby` from one of them",
		},
	},
	{
		title: "an instance twice",
		input:
			TENANT +
			EDGE1 +
			"---\n" +
			fn(
				"  attach: routed\n  runtime: process\n  instances:\n    - { name: fw-1, node: edge1 }\n    - { name: fw-1, node: edge1 }\n",
			),
		expect: {
			place: "21:15",
			message: "instance `fw-1` is listed twice",
			hint: "give each its own name",
		},
	},
	{
		title: "a function called drop",
		input: TENANT + EDGE1 + FIREWALL.replace("name: firewall", "name: drop"),
		expect: {
			place: "15:7",
			message: "a function cannot be called `drop`",
			hint: "`>> drop` is an action of policies; choose another name",
		},
	},
	{
		title: "a tenant that may not use a function",
		input:
			TENANT +
			"---\nkind: Tenant\nname: red\nspec:\n  subnets: [10.0.2.0/24]\n" +
			EDGE1 +
			FIREWALL +
			"  tenants: [red]\n---\n" +
			policy("match(*) >> firewall", "  tenant: blue\n"),
		expect: {
			place: "31:21",
			message: "tenant `blue` may not use function `firewall`",
			hint: "add it to the function's `tenants`, or limit the policy: `tenant: red`",
		},
	},
	{
		title: "overlapping tenants that share a function",
		input:
			TENANT +
			"---\nkind: Tenant\nname: red\nspec:\n  subnets: [10.0.0.0/8]\n" +
			EDGE1 +
			FIREWALL +
			"---\n" +
			policy("match(*) >> firewall"),
		expect: {
			place: "30:21",
			message:
				"tenants `blue` and `red` have overlapping subnets and cannot share function `firewall`",
			hint: "declare a function for each with `tenants: [NAME]`, or limit the policy with `tenant: NAME`",
		},
	},
	{
		title: "a mistake in the second line of a folded rule",
		input: policy(">-\n    match(proto=tcp &\n          dprot=80) >> pass"),
		expect: {
			place: "6:11",
			message: "unknown field `dprot`",
			hint: "did you mean `dport`?",
		},
	},
	{
		title: "a mistake in a quoted rule",
		input: policy('"match(proto=tpc) >> pass"'),
		expect: {
			place: "4:22",
			message: "`tpc` is not a protocol",
			hint: "did you mean `tcp`?",
		},
	},
];
