/** The functions of a chain, started by Chainmail's runtime for another system. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab } from "../../lab/lab.js";
import { ProcessRuntime } from "../../src/functions/process/runtime.js";
import type { FunctionDocument } from "../../src/model/intent.js";

const MTU = 1500;

/** A stateful firewall as it would be written; every packet takes its forward hook. */
const FIREWALL = `table inet firewall {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		meta l4proto icmp accept
		tcp dport { 80, 443, 5201 } accept
		udp dport { 9, 11111 } accept
	}
}
`;

export type FirewallSpec = Partial<FunctionDocument["spec"]>;

/**
 * `firewall-1` …: a function type an element, with an instance on that node.
 * Nothing is learned from them unless `spec` says so.
 */
export function firewalls(
	nodes: readonly string[],
	spec: FirewallSpec = {},
): FunctionDocument[] {
	return nodes.map((node, i) => ({
		kind: "Function",
		name: `firewall-${i + 1}`,
		spec: {
			attach: "routed",
			runtime: "process",
			ruleset: { text: FIREWALL },
			offload: "none",
			instances: [{ name: "a", node }],
			...spec,
		},
	}));
}

export interface Functions {
	/** Stops looking after them; they go with the lab. */
	close(): void;
}

/** Runs `count` of them on a node, attached to its ports 1 to `count`. */
export async function startFunctions(
	lab: Lab,
	node: string,
	count: number,
	spec: FirewallSpec = {},
): Promise<Functions> {
	const stateDir = mkdtempSync(join(tmpdir(), `chainmail-${lab.run}-`));
	lab.removeWithLab(stateDir);
	const runtime = new ProcessRuntime({
		prefix: `cm${lab.run}`,
		node,
		netns: lab.netns(node),
		stateDir,
		mtu: () => MTU,
		notify: () => {},
	});
	const documents = firewalls(Array<string>(count).fill(node), spec);
	for (const [i, { name, spec }] of documents.entries())
		await runtime.ensure({
			function: name,
			instance: "a",
			attach: "routed",
			runtime: "process",
			spec,
			ports: [{ id: i + 1 }],
		});
	return runtime;
}
