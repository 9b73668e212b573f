/**
 * The mobile edge with a second tenant, whose user has blue's address behind
 * another interface of the same node, and where to look whether they meet.
 */
import {
	mobileEdgeAddresses as at,
	mobileEdge,
} from "../../../lab/topologies/mobile-edge.js";
import type { Topology } from "../../../lab/topology.js";
import { EXAMPLE } from "../mobile-edge.js";

/** Server's port; every user's firewall lets it pass. */
export const PORT = 5201;
export const BLUE_PORT = 40_001;
export const RED_PORT = 40_002;
export const RED_SERVER = "198.51.100.10";

/** Words in the tenants' own packets. */
export const BLUE = "blue's own packet";
export const RED = "red's own packet";
/** No packet with these words may arrive anywhere. */
export const FORGED = "forged packet";

export function twoTenants(): Topology {
	const base = mobileEdge();
	return {
		...base,
		hosts: [...base.hosts, "reduser", "redserver"],
		links: [
			...base.links,
			{
				a: "reduser:eth0",
				b: "edge1:red",
				addresses: { a: [`${at.user}/24`], b: ["10.0.1.1/24"] },
			},
			{
				a: "redserver:eth0",
				b: "edge2:rednet",
				addresses: { a: [`${RED_SERVER}/24`], b: ["198.51.100.1/24"] },
			},
		],
		routes: [
			...(base.routes ?? []),
			{ host: "reduser", to: "default", via: "10.0.1.1" },
			{ host: "redserver", to: "default", via: "198.51.100.1" },
		],
	};
}

export const DECLARED = `${EXAMPLE.replace(
	"tenant: blue }\n",
	"tenant: blue }\n    - { name: red, role: access, tenant: red }\n",
).replace(
	"role: exit }\n",
	"role: exit }\n    - { name: rednet, role: exit, tenant: red }\n",
)}
---
kind: Tenant
name: red
spec:
  subnets: [10.0.1.0/24]
  exit: edge2
---
kind: Function
name: guard
spec:
  attach: routed
  runtime: process
  instances:
    - { name: guard-1, node: edge1 }
---
kind: Policy
name: red-web
spec:
  tenant: red
  rule: match(proto=udp) >> guard
`;

/** Where packets are looked for, and whose must arrive there: only those may. */
export const LOOKOUTS: readonly (readonly [
	host: string,
	name: string,
	texts: readonly string[],
])[] = [
	["user", "eth0", [BLUE]],
	["reduser", "eth0", [RED]],
	["server", "eth0", [BLUE]],
	["redserver", "eth0", [RED]],
	["edge1.firewall.firewall-1", "inside", [BLUE]],
	["edge1.firewall.firewall-1", "outside", [BLUE]],
	["edge1.guard.guard-1", "inside", [RED]],
	["edge1.guard.guard-1", "outside", [RED]],
	["edge2.monitor.monitor-1", "inside", [BLUE]],
	["edge2.monitor.monitor-1", "outside", [BLUE]],
];
