/** Questions to all nodes at once; those that do not answer are named. */
import { Fault } from "../controller/fault.js";
import type { Fleet } from "../controller/fleet.js";
import type { FlowFilter, NodeCounters } from "../plan/protocol.js";
import type { Missing } from "./schemas/parts.js";
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

export interface AskedFlows {
	/** The busiest first. */
	readonly flows: readonly FlowView[];
	readonly failures: ReadonlyMap<string, string>;
}

/** Flows of all nodes; `live` are the paths there are: others' flows are old. */
export async function askFlows(
	fleet: Fleet,
	filter: FlowFilter,
	live: ReadonlySet<number>,
): Promise<AskedFlows> {
	const failures = new Map<string, string>();
	const answers = await Promise.all(
		fleet.connected().map(async (node) => {
			try {
				const flows = await fleet.request(node, { what: "flows", filter });
				return flows.map((flow): FlowView => {
					const isOld = flow.spi !== undefined && !live.has(flow.spi);
					return { node, ...flow, ...(isOld && { old: true }) };
				});
			} catch (error) {
				if (!(error instanceof Fault)) throw error;
				failures.set(node, reasonOf(error));
				return [];
			}
		}),
	);
	const flows = answers
		.flat()
		.sort((a, b) => b.packets - a.packets)
		.slice(0, filter.limit);
	return { flows, failures };
}

/** Declared nodes that an answer lacks, with the reason. */
export function missingNodes(
	declared: Iterable<string>,
	fleet: Fleet,
	failures: ReadonlyMap<string, string>,
): Missing[] {
	const missing = [...failures].map(([node, reason]) => ({ node, reason }));
	for (const node of declared)
		if (!fleet.isConnected(node))
			missing.push({ node, reason: `node ${node}: not connected` });
	return missing.sort((a, b) => (a.node < b.node ? -1 : 1));
}

function reasonOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
