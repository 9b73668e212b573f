/**
 * What makes and addresses a function's ports, as commands for `ip -batch`,
 * routes and rules. Pure: names and ids in, commands out.
 */
import type { IpCommand, RouteSpec, RuleSpec } from "../../kernel/ip.js";
import { PortSide, portMark } from "../../kernel/layout.gen.js";
import { hostEnd, linkAddresses, macOf, type Side } from "../names.js";

/** A port with the names its interfaces have inside the function. */
export type PortNames =
	| { readonly id: number; readonly inside: string; readonly outside: string }
	| { readonly id: number; readonly tap: string };

type Pair = Extract<PortNames, { inside: string }>;

export interface PairEnd {
	readonly side: Side;
	readonly name: string;
}

export function endsOf(port: PortNames): readonly PairEnd[] {
	return "tap" in port
		? [{ side: "tap", name: port.tap }]
		: [
				{ side: "inside", name: port.inside },
				{ side: "outside", name: port.outside },
			];
}

const words = (text: string): IpCommand => text.split(" ");

/** Makes one veth pair, both ends down, between the node and the function. */
export function createPair(
	port: number,
	end: PairEnd,
	namespace: string,
	mtu: number,
): IpCommand {
	return words(
		`link add ${hostEnd(port, end.side)} address ${macOf(port, end.side, "host")} mtu ${mtu} type veth peer name ${end.name} address ${macOf(port, end.side, "function")} mtu ${mtu} netns ${namespace}`,
	);
}

/**
 * Brings an interface up that says nothing by itself: no ARP, no ND, no
 * link-local address. Both ends know each other's MAC address beforehand.
 */
export function quietUp(name: string, mtu: number): IpCommand {
	return words(
		`link set dev ${name} arp off multicast off addrgenmode none mtu ${mtu} up`,
	);
}

const FIRST_TABLE = 1000;
/** Of rules for answers, behind all that tableOf gives. */
const FIRST_ANSWER = 12_000;

/** Table, and priority of the rule, for packets from this side of a port. */
export function tableOf(port: number, side: "inside" | "outside"): number {
	return FIRST_TABLE + 2 * port + (side === "inside" ? 0 : 1);
}

/** Whether a rule of this priority can only be one of portRules. */
export function isPortRule(priority: number): boolean {
	return priority >= FIRST_TABLE && priority < 0x7000;
}

const OPPOSITE = { inside: "outside", outside: "inside" } as const;
const SIDES = ["inside", "outside"] as const;

/**
 * Addresses and permanent neighbours of a routed port. Nothing that goes further
 * than the link has such an address: `masquerade` takes one of the function's own.
 */
export function addressCommands(port: Pair, family: 4 | 6): IpCommand[] {
	const only = family === 6 ? " nodad preferred_lft 0" : " scope link";
	return SIDES.flatMap((side) => {
		const { own, gateway, prefixLength } = linkAddresses(port.id, side, family);
		const dev = port[side];
		return [
			words(`address replace ${own}/${prefixLength} dev ${dev}${only}`),
			words(
				`neighbour replace ${gateway} lladdr ${macOf(port.id, side, "host")} dev ${dev} nud permanent`,
			),
		];
	});
}

/** What comes in on one side leaves on the other; interfaces must be up. */
export function portRoutes(port: Pair, family: 4 | 6): RouteSpec[] {
	return SIDES.map((side) => ({
		...gatewayRoute(port, side, family),
		table: tableOf(port.id, OPPOSITE[side]),
	}));
}

/**
 * What the function sends by itself: a resolver's query, for example. What it
 * answers to a packet goes by the rules for answers.
 */
export function ownRoute(port: Pair, family: 4 | 6): RouteSpec {
	return gatewayRoute(port, "outside", family);
}

function gatewayRoute(
	port: Pair,
	side: "inside" | "outside",
	family: 4 | 6,
): RouteSpec {
	return {
		to: "default",
		family,
		via: linkAddresses(port.id, side, family).gateway,
		dev: port[side],
	};
}

/**
 * A packet goes on to the other side; what the kernel answers to it (a reset, an
 * ICMP error) carries its mark and goes back by the side it came in.
 */
export function portRules(port: Pair, family: 4 | 6): RuleSpec[] {
	return SIDES.flatMap((side) => {
		const table = tableOf(port.id, side);
		return [
			{ family, priority: table, table, iif: port[side] },
			{
				family,
				priority: FIRST_ANSWER + table - FIRST_TABLE,
				table: tableOf(port.id, OPPOSITE[side]),
				mark: portMark(
					port.id,
					PortSide[side === "inside" ? "INSIDE" : "OUTSIDE"],
				),
			},
		];
	});
}

/** Bridge of a port: `bridge`, `bridge2` … beside `inside`, `inside2` …. */
export function bridgeName(port: Pair): string {
	return port.inside.replace("inside", "bridge");
}

/** Two switch ports and nothing else: no spanning tree, nothing said by itself. */
export function bridgeCommands(
	port: Pair,
	exists: boolean,
	mtu: number,
): IpCommand[] {
	const bridge = bridgeName(port);
	return [
		...(exists ? [] : [words(`link add ${bridge} type bridge`)]),
		words(
			`link set dev ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
		),
		words(`link set dev ${port.inside} master ${bridge}`),
		words(`link set dev ${port.outside} master ${bridge}`),
		quietUp(bridge, mtu),
	];
}

/**
 * Settings of a function's namespace, as paths below /proc/sys/net. Two of them
 * are for speed: no look for a local socket before each packet's route, and no
 * second route look-up by its source (kernels make one wherever there are rules,
 * unless local sources are accepted).
 */
export function namespaceSettings(
	attach: "routed" | "bridged" | "tap",
): Readonly<Record<string, string>> {
	const routed = attach === "routed";
	const settings: Record<string, string> = {
		"ipv4/ip_forward": routed ? "1" : "0",
		"ipv4/ip_early_demux": "0",
		/* Links' addresses sign errors, although they are of no other use. */
		"ipv4/icmp_errors_use_inbound_ifaddr": "1",
		"ipv4/fwmark_reflect": "1",
		"ipv6/fwmark_reflect": "1",
	};
	for (const scope of ["all", "default"]) {
		Object.assign(settings, {
			[`ipv4/conf/${scope}/rp_filter`]: "0",
			[`ipv4/conf/${scope}/accept_local`]: "1",
			[`ipv4/conf/${scope}/send_redirects`]: "0",
			[`ipv4/conf/${scope}/accept_redirects`]: "0",
			[`ipv6/conf/${scope}/forwarding`]: routed ? "1" : "0",
			[`ipv6/conf/${scope}/accept_ra`]: "0",
			[`ipv6/conf/${scope}/accept_dad`]: "0",
			[`ipv6/conf/${scope}/accept_redirects`]: "0",
			[`ipv6/conf/${scope}/disable_ipv6`]: routed ? "0" : "1",
		});
	}
	return settings;
}
