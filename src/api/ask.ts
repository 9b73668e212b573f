/** Questions to all nodes at once; those that do not answer are named. */
import { Fault } from "../controller/fault.js";
import type { Fleet } from "../controller/fleet.js";
import type { FlowFilter, NodeCounters } from "../plan/protocol.js";
import type { FlowView } from "./schemas.js";

export interface AskedCounters {
	readonly answers: ReadonlyMap<string, NodeCounters>;
	/** By node: why there is no answer. */
	readonly failures: ReadonlyMap<string, string>;
}

export async function askCounters(
	fleet: Fleet,
	timeoutMs?: number,
): Promise<AskedCounters> {
	const answers = new Map<string, NodeCounters>();
	const failures = new Map<string, string>();
	await Promise.all(
		fleet.connected().map(async (node) => {
			try {
				answers.set(
					node,
					await fleet.request(node, { what: "counters" }, timeoutMs),
				);
			} catch (error) {
				failures.set(node, reasonOf(error));
			}
		}),
	);
	return { answers, failures };
}

/** Flows of all nodes, the busiest first. Nodes that fail are left out. */
export async function askFlows(
	fleet: Fleet,
	filter: FlowFilter,
): Promise<FlowView[]> {
	const answers = await Promise.all(
		fleet.connected().map(async (node) => {
			try {
				const flows = await fleet.request(node, { what: "flows", filter });
				return flows.map((flow): FlowView => ({ node, ...flow }));
			} catch (error) {
				if (error instanceof Fault) return [];
				throw error;
			}
		}),
	);
	return answers
		.flat()
		.sort((a, b) => b.packets - a.packets)
		.slice(0, filter.limit);
}

function reasonOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
