/** Two hosts on one link: the smallest lab, for tests and baselines. */
import type { Topology } from "../topology.js";

export const pairAddresses = {
	client: "198.51.100.1",
	server: "198.51.100.2",
	client6: "2001:db8:100::1",
	server6: "2001:db8:100::2",
} as const;

export const pair: Topology = {
	hosts: ["client", "server"],
	links: [
		{
			a: "client:eth0",
			b: "server:eth0",
			addresses: {
				a: [`${pairAddresses.client}/24`, `${pairAddresses.client6}/64`],
				b: [`${pairAddresses.server}/24`, `${pairAddresses.server6}/64`],
			},
		},
	],
};
