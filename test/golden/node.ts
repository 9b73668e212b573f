/**
 * The node of the golden rows: edge1, with a firewall, a bump in the wire, a tap
 * and a NAT, and a second node behind the underlay.
 */
import { ANY_PACKET, type MaskedKey } from "../../src/model/packet.js";
import type {
	HopState,
	NodeState,
	PathState,
	RuleState,
} from "../../src/plan/state.js";
import { mac } from "../bpf/world.js";

/** Ports by function; their interfaces are `p<id>i` and `p<id>o`. */
export const PORT = { firewall: 1, bridge: 2, tap: 3, nat: 4 } as const;

/** SPI of each forward path; the reverse one is the next number. */
export const SPI = {
	local: 1,
	remote: 3,
	tapped: 5,
	bridged: 7,
	translated: 9,
	/** Arrives from edge2 and goes on to it: this node is between. */
	transit: 11,
	/** Of tenant green, whose prefix is blue's. */
	green: 13,
	/** As `remote`, but sealed between the nodes: encrypted, or signed. */
	sealed: 15,
	signed: 17,
	/** It comes by twice: in the clear first, sealed then. */
	mixed: 19,
} as const;

export const BLUE = 1;
export const GREEN = 2;

const exit: HopState = { kind: "exit" };
const edge2: HopState = { kind: "node", nodeId: 2 };
const port = (id: number): HopState => ({ kind: "port", port: id });
const tap: HopState = { kind: "tap", port: PORT.tap };

interface Pair {
	readonly spi: number;
	readonly tenantId?: number;
	readonly forward: readonly (HopState | null)[];
	readonly reverse: readonly (HopState | null)[];
	readonly mtu?: number;
}

function pair({
	spi,
	tenantId = BLUE,
	forward,
	reverse,
	mtu = 1500,
}: Pair): PathState[] {
	const base = {
		tenantId,
		policy: "p",
		mtu,
		active: true,
		length: forward.length - 1,
	};
	return [
		{ ...base, spi, reverseSpi: spi + 1, direction: "forward", hops: forward },
		{
			...base,
			spi: spi + 1,
			reverseSpi: spi,
			direction: "reverse",
			hops: reverse,
		},
	];
}

const firewall = port(PORT.firewall);

const paths: PathState[] = [
	pair({
		spi: SPI.local,
		forward: [firewall, exit],
		reverse: [firewall, exit],
	}),
	pair({
		spi: SPI.remote,
		forward: [firewall, edge2, null],
		reverse: [null, firewall, exit],
		mtu: 1440,
	}),
	pair({
		spi: SPI.tapped,
		forward: [tap, firewall, exit],
		reverse: [firewall, tap, exit],
	}),
	pair({
		spi: SPI.bridged,
		forward: [port(PORT.bridge), exit],
		reverse: [port(PORT.bridge), exit],
	}),
	pair({
		spi: SPI.translated,
		forward: [port(PORT.nat), exit],
		reverse: [port(PORT.nat), exit],
	}),
	pair({
		spi: SPI.transit,
		forward: [edge2, edge2, edge2],
		reverse: [edge2, edge2, edge2],
		mtu: 1440,
	}),
	pair({
		spi: SPI.sealed,
		forward: [firewall, { ...edge2, sealed: "esp" }, null],
		reverse: [null, { ...firewall, sealed: "esp" }, exit],
		mtu: 1372,
	}),
	pair({
		spi: SPI.signed,
		forward: [firewall, { ...edge2, sealed: "mac" }, null],
		reverse: [null, { ...firewall, sealed: "mac" }, exit],
		mtu: 1372,
	}),
	pair({
		spi: SPI.mixed,
		forward: [edge2, { ...edge2, sealed: "esp" }, null],
		reverse: [null, { ...edge2, sealed: "esp" }, edge2],
		mtu: 1372,
	}),
	pair({
		spi: SPI.green,
		tenantId: GREEN,
		forward: [firewall, exit],
		reverse: [firewall, exit],
	}),
].flat();

const tcpTo = (dport: number) => ({
	...ANY_PACKET,
	proto: 6,
	protoMask: 0xff,
	dport,
	dportMask: 0xffff,
});
const proto = (number: number) => ({
	...ANY_PACKET,
	proto: number,
	protoMask: 0xff,
});

function rule(
	rank: number,
	keys: readonly MaskedKey[],
	action: number | "drop" | "pass",
): RuleState {
	return {
		policy: `rule-${rank}`,
		policyId: rank,
		rank,
		keep: false,
		keys,
		action:
			typeof action === "number"
				? { kind: "chain", slots: Array<number>(251).fill(action) }
				: { kind: action },
	};
}

const blueRules = [
	rule(90, [tcpTo(80)], SPI.local),
	rule(80, [tcpTo(443)], SPI.remote),
	rule(70, [proto(17)], SPI.tapped),
	rule(60, [tcpTo(25)], "drop"),
	rule(50, [tcpTo(22)], SPI.bridged),
	rule(40, [tcpTo(21)], SPI.translated),
	rule(38, [tcpTo(465)], SPI.sealed),
	rule(36, [tcpTo(993)], SPI.signed),
	rule(30, [proto(1), proto(58)], SPI.local),
	rule(20, [tcpTo(9)], "pass"),
	rule(10, [{ ...tcpTo(7), dscp: 46, dscpMask: 0x3f }], "drop"),
];

export const node: NodeState = {
	node: "edge1",
	revision: 1,
	nodeId: 1,
	underlay: "192.0.2.1",
	mtu: 1500,
	tenants: [
		{
			id: BLUE,
			name: "blue",
			default: "forward",
			subnets: ["10.0.1.0/24", "2001:db8:1::/64"],
		},
		{ id: GREEN, name: "green", default: "drop", subnets: ["10.0.1.0/24"] },
	],
	interfaces: [
		{ name: "ap", vlan: 0, role: "access", tenantId: BLUE },
		{ name: "ap", vlan: 100, role: "access", tenantId: GREEN },
		{ name: "net", vlan: 0, role: "exit", tenantId: 0 },
		{ name: "up", vlan: 0, role: "underlay", tenantId: 0 },
	],
	peers: [{ nodeId: 2, name: "edge2", underlay: "192.0.2.5" }],
	instances: (["firewall", "bridge", "tap", "nat"] as const).map((name) => ({
		function: name,
		instance: "a",
		attach: name === "tap" ? "tap" : name === "bridge" ? "bridged" : "routed",
		runtime: "process",
		spec: {
			attach: "routed",
			runtime: "process",
			instances: [{ name: "a", node: "edge1" }],
		},
		ports: [
			{ id: PORT[name], ...(name === "nat" && { boundSpi: SPI.translated }) },
		],
	})),
	paths,
	/* Both tenants judge what arrives at the shared exit: neither owns 10.0.1/24. */
	ruleSets: [
		{ tenantId: BLUE, side: "access", generation: 7, rules: blueRules },
		{
			tenantId: BLUE,
			side: "exit",
			generation: 3,
			rules: [rule(60, [tcpTo(25)], "drop"), rule(50, [tcpTo(23)], SPI.local)],
		},
		{ tenantId: GREEN, side: "exit", generation: 4, rules: [] },
		{
			tenantId: GREEN,
			side: "access",
			generation: 2,
			rules: [rule(90, [tcpTo(80)], SPI.green), rule(80, [tcpTo(9)], "pass")],
		},
	],
};

/** MAC addresses of the neighbours that routes lead to. */
export const NEIGHBOUR = {
	server: mac(0x51),
	router: mac(0x52),
	user: mac(0x53),
} as const;

export const network = [
	"addr add 192.0.2.1/30 dev up",
	"addr add 203.0.113.1/24 dev net",
	"addr add 2001:db8:203::1/64 dev net nodad",
	"addr add 10.0.1.1/24 dev ap",
	`neigh add 203.0.113.10 lladdr ${NEIGHBOUR.server} dev net nud permanent`,
	`neigh add 2001:db8:203::10 lladdr ${NEIGHBOUR.server} dev net nud permanent`,
	"addr add 2001:db8:1::1/64 dev ap nodad",
	`neigh add 10.0.1.10 lladdr ${NEIGHBOUR.user} dev ap nud permanent`,
	`neigh add 2001:db8:1::10 lladdr ${NEIGHBOUR.user} dev ap nud permanent`,
	`neigh add 192.0.2.2 lladdr ${NEIGHBOUR.router} dev up nud permanent`,
	"route add 192.0.2.4/30 via 192.0.2.2 dev up",
];

export const locals = ["10.0.1.1", "192.0.2.1", "203.0.113.1"];
