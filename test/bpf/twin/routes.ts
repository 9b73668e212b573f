/** Where the nodes' routes lead: as ip(8) is told, and as the twin asks. */
import type { Packet } from "../../../src/model/packet.js";
import { mac } from "../world.js";
import { NODES, nameOf, underlayOf } from "./network.js";
import { isWithin } from "./tenants.js";

type Name = "net" | "ap" | "aq" | "up";

const GATEWAY = { net: mac(0x71), ap: mac(0x72), aq: mac(0x73) };

/** Some servers are behind this node, for the other nodes. */
const GATEWAY_NODE = 2;
const BEHIND_GATEWAY = ["203.0.113.64/26", "2001:db8:200::4000/114"];

/** Prefixes of users, whichever tenant's; the rest leads out. */
const USERS: readonly (readonly [Name, readonly string[]])[] = [
	["ap", ["10.1.0.0/16", "2001:db8:1::/48"]],
	["aq", ["10.2.0.0/15", "2001:db8:2::/48"]],
];

/** Interface by which a node's routes send a packet. */
export function routesOf(node: string, { dst }: Packet): Name {
	const leads = (prefixes: readonly string[]) =>
		prefixes.some((prefix) => isWithin(dst, prefix));
	if (node !== nameOf(GATEWAY_NODE) && leads(BEHIND_GATEWAY)) return "up";
	return USERS.find(([, prefixes]) => leads(prefixes))?.[0] ?? "net";
}

/** ip(8) lines of a node: every neighbour is known, whatever leaves. */
export function linesOf(nodeId: number): string[] {
	const behind = (
		name: keyof typeof GATEWAY,
		n: number,
		routes: readonly string[],
	) => [
		`addr add 172.31.${n}.1/24 dev ${name}`,
		`neigh add 172.31.${n}.2 lladdr ${GATEWAY[name]} dev ${name} nud permanent`,
		`addr add 2001:db8:f${n}::1/64 dev ${name} nodad`,
		`neigh add 2001:db8:f${n}::2 lladdr ${GATEWAY[name]} dev ${name} nud permanent`,
		...routes.map((to) =>
			to.includes(":")
				? `route add ${to} via 2001:db8:f${n}::2 dev ${name}`
				: `route add ${to} via 172.31.${n}.2 dev ${name}`,
		),
	];
	const underlay6 = (node: number) => `2001:db8:fe::${node}`;
	const beyond = BEHIND_GATEWAY.map((to) => {
		const via = to.includes(":") ? underlay6 : underlayOf;
		return `route add ${to} via ${via(GATEWAY_NODE)} dev up`;
	});
	return [
		`addr add ${underlayOf(nodeId)}/24 dev up`,
		`addr add ${underlay6(nodeId)}/64 dev up nodad`,
		...NODES.filter((one) => one !== nodeId).flatMap((one) =>
			[underlayOf(one), underlay6(one)].map(
				(address) =>
					`neigh add ${address} lladdr ${mac(0x80 + one)} dev up nud permanent`,
			),
		),
		...(nodeId === GATEWAY_NODE ? [] : beyond),
		...behind("net", 0, ["0.0.0.0/0", "::/0"]),
		...USERS.flatMap(([name, prefixes], i) =>
			name === "ap" || name === "aq" ? behind(name, 1 + i, prefixes) : [],
		),
	];
}
