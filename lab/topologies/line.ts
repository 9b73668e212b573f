/**
 * A user, one or more nodes in a row, a server: what benchmarks and tests
 * compare systems on.
 *
 *   user ─ acc│node│right ═ left│node│ext ─ server
 */
import { FORWARDING, type Topology } from "../topology.js";

export const lineAddresses = {
	user: "10.0.1.10",
	userGateway: "10.0.1.1",
	user6: "2001:db8:1::10",
	server: "203.0.113.10",
	serverGateway: "203.0.113.1",
	server6: "2001:db8:203::10",
} as const;

const at = lineAddresses;

/** Between the nodes the encapsulation fits around a full packet. */
const UNDERLAY_MTU = 1600;

/** Address of a node's interface `left` (or, of the first one, `right`). */
export function underlayAddress(index: number): string {
	return index === 0 ? "192.0.2.1" : `192.0.2.${4 * index - 2}`;
}

/** The nodes forward nothing by themselves, unless `forwarding` is said. */
export function line(
	nodes: readonly string[],
	{ forwarding = false } = {},
): Topology {
	const first = nodes[0];
	const last = nodes.at(-1);
	if (first === undefined || last === undefined)
		throw new Error("line: no nodes");
	const between = nodes.slice(1).map((node, i) => {
		const before = nodes[i] ?? first;
		const near = `192.0.2.${4 * i + 1}`;
		const far = underlayAddress(i + 1);
		return { node, before, near, far };
	});
	return {
		hosts: ["user", ...nodes, "server"],
		links: [
			{
				a: "user:eth0",
				b: `${first}:acc`,
				addresses: {
					a: [`${at.user}/24`, `${at.user6}/64`],
					b: [`${at.userGateway}/24`, "2001:db8:1::1/64"],
				},
			},
			...between.map(({ node, before, near, far }) => ({
				a: `${before}:right` as const,
				b: `${node}:left` as const,
				mtu: UNDERLAY_MTU,
				addresses: { a: [`${near}/30`], b: [`${far}/30`] },
			})),
			{
				a: `${last}:ext`,
				b: "server:eth0",
				addresses: {
					a: [`${at.serverGateway}/24`, "2001:db8:203::1/64"],
					b: [`${at.server}/24`, `${at.server6}/64`],
				},
			},
		],
		routes: [
			{ host: "user", to: "default", via: at.userGateway },
			{ host: "user", to: "default6", via: "2001:db8:1::1" },
			{ host: "server", to: "default", via: at.serverGateway },
			{ host: "server", to: "default6", via: "2001:db8:203::1" },
			...between.flatMap(({ node, before, near, far }, i) => [
				{ host: before, to: "203.0.113.0/24", via: far },
				{ host: node, to: "10.0.1.0/24", via: near },
				/* Underlay links that the two are not at. */
				...between.slice(i + 1).map((_, k) => ({
					host: before,
					to: `192.0.2.${4 * (i + 1 + k)}/30`,
					via: far,
				})),
				...between.slice(0, i).map((_, k) => ({
					host: node,
					to: `192.0.2.${4 * k}/30`,
					via: near,
				})),
			]),
		],
		sysctls: Object.fromEntries(
			nodes.map((node) => [node, forwarding ? FORWARDING : []]),
		),
	};
}
