/**
 * Two Chainmail nodes whose underlay is one Open vSwitch: it forwards chains
 * between them, and has a client and a far host of its own behind it.
 *
 *   user ─ edge1 ═ ovs ═ edge2 ─ server
 *         client ─┘ └─ far
 */
import type { Topology } from "../topology.js";

export const ovsBetweenAddresses = {
	user: "10.1.0.2",
	user6: "2001:db8:1::2",
	edge1: "192.0.2.1",
	ovs: "192.0.2.2",
	edge2: "192.0.2.3",
	server: "10.2.0.2",
	server6: "2001:db8:2::2",
	client: "10.3.0.2",
	far: "10.4.0.2",
} as const;

const at = ovsBetweenAddresses;

/** Bytes: full packets of hosts fit with what a chain puts in front of them. */
export const UNDERLAY_MTU = 1600;

const UNDERLAY = { mtu: UNDERLAY_MTU } as const;
/** What a host says to its link alone would be chained as well. */
const NO_IPV6 = ["net.ipv6.conf.default.disable_ipv6=1"] as const;

export const ovsBetween: Topology = {
	hosts: ["user", "edge1", "ovs", "edge2", "server", "client", "far"],
	links: [
		{
			a: "user:eth0",
			b: "edge1:eth0",
			addresses: {
				a: [`${at.user}/24`, `${at.user6}/64`],
				b: ["10.1.0.1/24", "2001:db8:1::1/64"],
			},
		},
		{
			a: "edge1:eth1",
			b: "ovs:edge1",
			...UNDERLAY,
			addresses: { a: [`${at.edge1}/24`] },
		},
		{
			a: "edge2:eth1",
			b: "ovs:edge2",
			...UNDERLAY,
			addresses: { a: [`${at.edge2}/24`] },
		},
		{
			a: "edge2:eth0",
			b: "server:eth0",
			addresses: {
				a: ["10.2.0.1/24", "2001:db8:2::1/64"],
				b: [`${at.server}/24`, `${at.server6}/64`],
			},
		},
		{
			a: "client:eth0",
			b: "ovs:client",
			addresses: { a: [`${at.client}/24`] },
		},
		{ a: "far:eth0", b: "ovs:far", addresses: { a: [`${at.far}/24`] } },
	],
	routes: [
		{ host: "user", to: "default", via: "10.1.0.1" },
		{ host: "user", to: "default6", via: "2001:db8:1::1" },
		{ host: "server", to: "default", via: "10.2.0.1" },
		{ host: "server", to: "default6", via: "2001:db8:2::1" },
		{ host: "client", to: "default", via: "10.3.0.1" },
		{ host: "far", to: "default", via: "10.4.0.1" },
	],
	sysctls: { client: NO_IPV6, far: NO_IPV6 },
};
