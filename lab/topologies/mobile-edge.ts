/**
 * The network of the demo: a mobile user behind an access point, two edge
 * nodes with an underlay router between them, a server, and a controller on a
 * management network of its own.
 *
 *   user ─ ap ─ edge1 ═ router ═ edge2 ─ server
 *                 └─ controller ─┘
 */
import { FORWARDING, type Topology } from "../topology.js";

/** Addresses that demo, tests and examples name. */
export const mobileEdgeAddresses = {
	user: "10.0.1.10",
	user6: "2001:db8:1::10",
	edge1: "192.0.2.1",
	edge2: "192.0.2.5",
	server: "203.0.113.10",
	server6: "2001:db8:203::10",
	controller: "172.31.0.1",
} as const;

const at = mobileEdgeAddresses;

/**
 * `underlayMtu`: bytes on the links between the edges (default 1500). The edges
 * forward nothing by themselves, unless `routers` says that they do.
 */
export function mobileEdge({
	underlayMtu = 1500,
	routers = ["router"],
}: {
	readonly underlayMtu?: number;
	readonly routers?: readonly string[];
} = {}): Topology {
	return {
		hosts: ["user", "ap", "edge1", "router", "edge2", "server", "controller"],
		links: [
			{
				a: "user:eth0",
				b: "ap:user",
				addresses: { a: [`${at.user}/24`, `${at.user6}/64`] },
			},
			{
				a: "ap:edge",
				b: "edge1:ap",
				addresses: { b: ["10.0.1.1/24", "2001:db8:1::1/64"] },
			},
			{
				a: "edge1:up",
				b: "router:e1",
				mtu: underlayMtu,
				addresses: {
					a: [`${at.edge1}/30`, "2001:db8:e1::1/64"],
					b: ["192.0.2.2/30", "2001:db8:e1::2/64"],
				},
			},
			{
				a: "edge2:up",
				b: "router:e2",
				mtu: underlayMtu,
				addresses: {
					a: [`${at.edge2}/30`, "2001:db8:e2::1/64"],
					b: ["192.0.2.6/30", "2001:db8:e2::2/64"],
				},
			},
			{
				a: "edge2:net",
				b: "server:eth0",
				addresses: {
					a: ["203.0.113.1/24", "2001:db8:203::1/64"],
					b: [`${at.server}/24`, `${at.server6}/64`],
				},
			},
			{
				a: "edge1:mgmt",
				b: "controller:edge1",
				addresses: { a: ["172.31.0.11/24"] },
			},
			{
				a: "edge2:mgmt",
				b: "controller:edge2",
				addresses: { a: ["172.31.0.12/24"] },
			},
		],
		bridges: [
			{ at: "ap:br0", ports: ["user", "edge"] },
			{
				at: "controller:mgmt",
				ports: ["edge1", "edge2"],
				addresses: [`${at.controller}/24`],
			},
		],
		routes: [
			...bothDefaults("user", "10.0.1.1", "2001:db8:1::1"),
			...bothDefaults("edge1", "192.0.2.2", "2001:db8:e1::2"),
			{ host: "router", to: "10.0.1.0/24", via: at.edge1 },
			{ host: "router", to: "2001:db8:1::/64", via: "2001:db8:e1::1" },
			{ host: "router", to: "203.0.113.0/24", via: at.edge2 },
			{ host: "router", to: "2001:db8:203::/64", via: "2001:db8:e2::1" },
			...bothDefaults("edge2", "192.0.2.6", "2001:db8:e2::2"),
			...bothDefaults("server", "203.0.113.1", "2001:db8:203::1"),
		],
		sysctls: Object.fromEntries(routers.map((host) => [host, FORWARDING])),
	};
}

function bothDefaults(host: string, via: string, via6: string) {
	return [
		{ host, to: "default", via },
		{ host, to: "default6", via: via6 },
	];
}
