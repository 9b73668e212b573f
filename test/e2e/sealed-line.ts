/** Two nodes in a row with the hop between them sealed, and what tests ask of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabAuc } from "../../lab/auc.js";
import type { Fleet } from "../../lab/fleet.js";
import type { Lab } from "../../lab/lab.js";
import {
	lineAddresses as at,
	underlayAddress,
} from "../../lab/topologies/line.js";
import { efDirectory } from "../../src/agent/ef/ef.js";
import type { ProcessId } from "../../src/kernel/process.js";
import { intentOf } from "../../src/plan/fixtures.js";

export const NODES = ["in", "out"] as const;

export const newest = (
	sas: readonly { readonly generation: number }[],
): number => Math.max(0, ...sas.map(({ generation }) => generation));

/** Newest of each link, in order of the links. */
export async function generations(auc: LabAuc): Promise<number[]> {
	const { links } = await auc.status();
	return links.map(({ sas }) => newest(sas));
}

export async function pings(lab: Lab, count: number): Promise<number> {
	const { stdout } = await lab
		.host("user")
		.run(["ping", "-c", String(count), "-i", "0.2", "-W", "1", at.server]);
	return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
}

/** The process of an EF, as its agent has written it down. */
export function recorded(stateDir: string): ProcessId {
	const file = join(efDirectory(stateDir), "process.json");
	return (JSON.parse(readFileSync(file, "utf8")) as { id: ProcessId }).id;
}

export function efOf(fleet: Fleet, node: string): ProcessId {
	return recorded(fleet.stateDir(node));
}

export function drops(fleet: Fleet): string {
	return JSON.stringify(
		NODES.map((name) => {
			const { drops, hops, ef } = fleet.node(name).counters();
			const some = drops.filter(({ packets }) => packets > 0);
			return { name, drops: some, hops, ef };
		}),
	);
}

export function chain(encrypt: "never" | "between-nodes") {
	return intentOf(
		{
			kind: "Tenant",
			name: "blue",
			spec: { subnets: ["10.0.1.0/24", "2001:db8:1::/64"], exit: "out" },
		},
		{
			kind: "Node",
			name: "in",
			spec: {
				underlay: underlayAddress(0),
				mtu: 1600,
				interfaces: [
					{ name: "acc", role: "access", tenant: "blue" },
					{ name: "right", role: "underlay" },
				],
			},
		},
		{
			kind: "Node",
			name: "out",
			spec: {
				underlay: underlayAddress(1),
				mtu: 1600,
				interfaces: [
					{ name: "left", role: "underlay" },
					{ name: "ext", role: "exit" },
				],
			},
		},
		{
			kind: "Function",
			name: "first",
			spec: {
				attach: "routed",
				runtime: "process",
				instances: [{ name: "a", node: "out" }],
			},
		},
		{
			kind: "Policy",
			name: "all",
			spec: {
				tenant: "blue",
				rule: "match() >> first",
				encrypt,
			},
		},
	);
}
