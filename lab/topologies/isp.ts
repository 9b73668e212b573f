/**
 * Three providers in a row, as in the paper on encrypted chains: users at A, the
 * exit at C, and B between them, on whose node all that A and C exchange passes.
 *
 *   user ─ a ═ b ═ c ─ server          controller, on a network of its own
 */
import { FORWARDING, type Topology } from "../topology.js";

export const ISP_NODES = ["isp-a", "isp-b", "isp-c"] as const;

/** Addresses that tests, benchmarks and examples name. */
export const ispAddresses = {
	user: "10.0.1.10",
	user6: "2001:db8:1::10",
	"isp-a": "192.0.2.1",
	"isp-b": "192.0.2.2",
	"isp-c": "192.0.2.6",
	server: "203.0.113.10",
	server6: "2001:db8:203::10",
	controller: "172.31.0.1",
} as const;

/** Room for a user's packets of 1,500 bytes, sealed. */
export const ISP_UNDERLAY_MTU = 1700;

const at = ispAddresses;

export const isp: Topology = {
	hosts: ["user", ...ISP_NODES, "server", "controller"],
	links: [
		{
			a: "user:eth0",
			b: "isp-a:users",
			addresses: {
				a: [`${at.user}/24`, `${at.user6}/64`],
				b: ["10.0.1.1/24", "2001:db8:1::1/64"],
			},
		},
		{
			a: "isp-a:up",
			b: "isp-b:west",
			mtu: ISP_UNDERLAY_MTU,
			addresses: { a: [`${at["isp-a"]}/30`], b: [`${at["isp-b"]}/30`] },
		},
		{
			a: "isp-b:east",
			b: "isp-c:up",
			mtu: ISP_UNDERLAY_MTU,
			addresses: { a: ["192.0.2.5/30"], b: [`${at["isp-c"]}/30`] },
		},
		{
			a: "isp-c:net",
			b: "server:eth0",
			addresses: {
				a: ["203.0.113.1/24", "2001:db8:203::1/64"],
				b: [`${at.server}/24`, `${at.server6}/64`],
			},
		},
		...ISP_NODES.map(
			(node, i) =>
				({
					a: `${node}:mgmt`,
					b: `controller:${node}`,
					addresses: { a: [`172.31.0.${11 + i}/24`] },
				}) as const,
		),
	],
	bridges: [
		{
			at: "controller:mgmt",
			ports: [...ISP_NODES],
			addresses: [`${at.controller}/24`],
		},
	],
	routes: [
		{ host: "user", to: "default", via: "10.0.1.1" },
		{ host: "user", to: "default6", via: "2001:db8:1::1" },
		{ host: "isp-a", to: "default", via: at["isp-b"] },
		{ host: "isp-c", to: "default", via: "192.0.2.5" },
		{ host: "server", to: "default", via: "203.0.113.1" },
		{ host: "server", to: "default6", via: "2001:db8:203::1" },
	],
	sysctls: { "isp-b": FORWARDING },
};
