/**
 * Lines for `ip -batch` that make and address a function's ports. Pure: what is
 * there already comes in, what is missing comes out.
 */
import { hostEnd, linkAddresses, macOf, type Side } from "../names.js";

/** A port with the names its interfaces have inside the function. */
export type PortNames =
	| { readonly id: number; readonly inside: string; readonly outside: string }
	| { readonly id: number; readonly tap: string };

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

/** Makes one veth pair between the node and the function's namespace. */
export function createPair(
	port: number,
	end: PairEnd,
	namespace: string,
	mtu: number,
): string {
	return `link add ${hostEnd(port, end.side)} address ${macOf(port, end.side, "host")} mtu ${mtu} type veth peer name ${end.name} address ${macOf(port, end.side, "function")} mtu ${mtu} netns ${namespace}`;
}

/**
 * Makes an interface silent: no ARP, no ND, no link-local address of its own.
 * Both ends know each other's MAC address beforehand.
 */
export function quiet(name: string): string {
	return `link set dev ${name} arp off multicast off addrgenmode none`;
}

/** Routing table that packets from an interface of this port are sent by. */
export function tableOf(port: number, side: "inside" | "outside"): number {
	return 1000 + 2 * port + (side === "inside" ? 0 : 1);
}

/** An `iif` rule as `ip -j rule` shows it, reduced to what we set. */
export interface IifRule {
	readonly iif: string;
	readonly table: number;
}

export function rulesOf(port: PortNames): readonly IifRule[] {
	if ("tap" in port) return [];
	return [
		{ iif: port.inside, table: tableOf(port.id, "inside") },
		{ iif: port.outside, table: tableOf(port.id, "outside") },
	];
}

/** Lines that take the rules of `present` to those of `wanted`, by family. */
export function ruleLines(
	present: readonly IifRule[],
	wanted: readonly IifRule[],
): string[] {
	const has = (list: readonly IifRule[], rule: IifRule) =>
		list.some((one) => one.iif === rule.iif && one.table === rule.table);
	const text = (verb: string, rule: IifRule) =>
		`rule ${verb} pref ${rule.table} iif ${rule.iif} lookup ${rule.table}`;
	return [
		...wanted.filter((rule) => !has(present, rule)).map((r) => text("add", r)),
		...present.filter((rule) => !has(wanted, rule)).map((r) => text("del", r)),
	];
}

/**
 * Addresses, permanent neighbours and routes of a routed port: what comes in
 * on one side leaves on the other, in both families. Interfaces must be up.
 */
export function routedLines(
	port: { id: number; inside: string; outside: string },
	family: 4 | 6,
): string[] {
	const lines: string[] = [];
	const nodad = family === 6 ? " nodad" : "";
	for (const side of ["inside", "outside"] as const) {
		const link = linkAddresses(port.id, side, family);
		const name = port[side];
		const from = side === "inside" ? "outside" : "inside";
		lines.push(
			`addr replace ${link.own}/${link.prefixLength} dev ${name}${nodad}`,
			`neigh replace ${link.gateway} lladdr ${macOf(port.id, side, "host")} dev ${name} nud permanent`,
			`route replace default via ${link.gateway} dev ${name} table ${tableOf(port.id, from)}`,
		);
	}
	return lines;
}

/** What the function itself sends, for example a resolver's query. */
export function ownDefaultRoute(
	port: { id: number; outside: string },
	family: 4 | 6,
): string {
	const { gateway } = linkAddresses(port.id, "outside", family);
	return `route replace default via ${gateway} dev ${port.outside}`;
}

/** Bridge of a port: `br`, `br2` … beside `inside`, `inside2` …. */
export function bridgeName(inside: string): string {
	return inside.replace("inside", "br");
}

/** Two switch ports and nothing else: no spanning tree, nothing to say itself. */
export function bridgeLines(
	port: { inside: string; outside: string },
	exists: boolean,
): string[] {
	const bridge = bridgeName(port.inside);
	return [
		...(exists ? [] : [`link add ${bridge} type bridge`]),
		`link set dev ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
		quiet(bridge),
		`link set dev ${port.inside} master ${bridge}`,
		`link set dev ${port.outside} master ${bridge}`,
		`link set dev ${bridge} up`,
	];
}

/** Settings of a function's namespace, as paths below /proc/sys/net. */
export function namespaceSettings(
	attach: "routed" | "bridged" | "tap",
): Readonly<Record<string, string>> {
	const routed = attach === "routed" ? "1" : "0";
	const settings: Record<string, string> = { "ipv4/ip_forward": routed };
	for (const scope of ["all", "default"]) {
		Object.assign(settings, {
			[`ipv4/conf/${scope}/rp_filter`]: "0",
			[`ipv4/conf/${scope}/send_redirects`]: "0",
			[`ipv4/conf/${scope}/accept_redirects`]: "0",
			[`ipv6/conf/${scope}/forwarding`]: routed,
			[`ipv6/conf/${scope}/accept_ra`]: "0",
			[`ipv6/conf/${scope}/accept_dad`]: "0",
			[`ipv6/conf/${scope}/accept_redirects`]: "0",
			[`ipv6/conf/${scope}/router_solicitations`]: "0",
			[`ipv6/conf/${scope}/disable_ipv6`]: attach === "routed" ? "0" : "1",
		});
	}
	return settings;
}
