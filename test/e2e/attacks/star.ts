/**
 * Three nodes around a router that is nobody's: it sees, holds back and forges
 * whatever it likes. Chains of every kind of protection, told by the source port:
 *
 *   user ─ in ═ evil ═ out ─ server
 *               ║
 *             third, a peer of both
 */
import { FORWARDING, type Topology } from "../../../lab/topology.js";
import type {
	IntentDocument,
	NodeDocument,
} from "../../../src/model/intent.js";
import { intentOf } from "../../../src/plan/fixtures.js";

export const at = {
	user: "10.0.1.10",
	server: "203.0.113.10",
	in: "192.0.2.1",
	out: "192.0.2.6",
	third: "192.0.2.10",
	/** The router towards `out`: no node has it. */
	evil: "192.0.2.5",
} as const;

export const SERVER_PORT = 9;

/** Source port of each policy's packets. */
export const SPORT = {
	mail: 1001,
	bank: 1002,
	signed: 1003,
	header: 1004,
	clear: 1005,
	via: 1006,
} as const;
export type Policy = keyof typeof SPORT;

/** Room for a user's 1,500 bytes, sealed. */
const MTU_BYTES = 1700;

const underlay = (name: string, host: number, router: number) =>
	({
		a: `${name}:up`,
		b: `evil:${name}`,
		mtu: MTU_BYTES,
		addresses: {
			a: [`192.0.2.${host}/30`],
			b: [`192.0.2.${router}/30`],
		},
	}) as const;

export const star: Topology = {
	hosts: ["user", "in", "evil", "out", "third", "server"],
	links: [
		{
			a: "user:eth0",
			b: "in:acc",
			addresses: { a: [`${at.user}/24`], b: ["10.0.1.1/24"] },
		},
		underlay("in", 1, 2),
		underlay("out", 6, 5),
		underlay("third", 10, 9),
		{
			a: "out:ext",
			b: "server:eth0",
			addresses: { a: ["203.0.113.1/24"], b: [`${at.server}/24`] },
		},
	],
	routes: [
		{ host: "user", to: "default", via: "10.0.1.1" },
		{ host: "in", to: "default", via: "192.0.2.2" },
		{ host: "out", to: "default", via: at.evil },
		{ host: "third", to: "default", via: "192.0.2.9" },
		{ host: "server", to: "default", via: "203.0.113.1" },
	],
	sysctls: { evil: FORWARDING },
};

const node = (
	name: "in" | "out" | "third",
	...interfaces: NodeDocument["spec"]["interfaces"]
): NodeDocument => ({
	kind: "Node",
	name,
	spec: {
		underlay: at[name],
		mtu: MTU_BYTES,
		interfaces: [{ name: "up", role: "underlay" }, ...interfaces],
	},
});

const onNode = (name: string, node: string): IntentDocument => ({
	kind: "Function",
	name,
	spec: {
		attach: "routed",
		runtime: "process",
		instances: [{ name: "a", node }],
	},
});

const policy = (
	name: Policy,
	chain: string,
	more: object = {},
): IntentDocument => ({
	kind: "Policy",
	name,
	spec: {
		tenant: "blue",
		rule: `match(proto=udp & sport=${SPORT[name]}) >> ${chain}`,
		...more,
	},
});

export const intent = intentOf(
	{
		kind: "Tenant",
		name: "blue",
		spec: { subnets: ["10.0.1.0/24"], default: "drop", exit: "out" },
	},
	node("in", { name: "acc", role: "access", tenant: "blue" }),
	node("out", { name: "ext", role: "exit" }),
	node("third"),
	onNode("guard", "in"),
	onNode("scanner", "out"),
	onNode("archive", "out"),
	onNode("inspector", "third"),
	policy("mail", "guard -> scanner", { encrypt: "between-nodes" }),
	policy("bank", "guard -> scanner", { encrypt: "between-nodes" }),
	policy("signed", "guard -> scanner", { integrity: "packet" }),
	policy("header", "guard -> scanner", { integrity: "header" }),
	policy("clear", "guard -> archive"),
	policy("via", "guard -> inspector -> archive"),
);
