/** Questions to many nodes at once; those that do not answer are named. */
import { Fault } from "../controller/fault.js";
import type { Fleet } from "../controller/fleet.js";
import type { Replies } from "../controller/messages.js";
import type {
	AgentRequest,
	FlowFilter,
	StateFilter,
} from "../plan/protocol.js";
import type { Missing } from "./schemas/parts.js";
import type { FlowView, StateView } from "./schemas.js";

/** A node reads some 500,000 entries of a table a second, one question after the other. */
const TABLE_TIMEOUT_MS = 30_000;

export interface Asked<T> {
	/** By node. */
	readonly answers: ReadonlyMap<string, T>;
	/** By node: why there is no answer. */
	readonly failures: ReadonlyMap<string, string>;
}

/** Asks these nodes the same; a node that is away counts as one that failed. */
export async function ask<W extends AgentRequest["what"]>(
	fleet: Fleet,
	nodes: Iterable<string>,
	question: AgentRequest & { readonly what: W },
	timeoutMs?: number,
): Promise<Asked<Replies[W]>> {
	const answers = new Map<string, Replies[W]>();
	const failures = new Map<string, string>();
	await Promise.all(
		Array.from(nodes, async (node) => {
			try {
				answers.set(node, await fleet.request<W>(node, question, timeoutMs));
			} catch (error) {
				if (!(error instanceof Fault)) throw error;
				failures.set(node, error.message);
			}
		}),
	);
	return { answers, failures };
}

export function askCounters(
	fleet: Fleet,
	timeoutMs?: number,
): Promise<Asked<Replies["counters"]>> {
	return ask(fleet, fleet.connected(), { what: "counters" }, timeoutMs);
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
	const { answers, failures } = await ask(
		fleet,
		fleet.connected(),
		{ what: "flows", filter },
		TABLE_TIMEOUT_MS,
	);
	const flows = rows(answers, filter.limit, ({ packets }) => packets);
	return {
		flows: flows.map((flow): FlowView => {
			const isOld = flow.spi !== undefined && !live.has(flow.spi);
			return { ...flow, ...(isOld && { old: true }) };
		}),
		failures,
	};
}

export interface AskedStates {
	/** The most skipped first. */
	readonly states: readonly StateView[];
	readonly failures: ReadonlyMap<string, string>;
}

/** What functions have said of flows, on these nodes. */
export async function askStates(
	fleet: Fleet,
	nodes: Iterable<string>,
	filter: StateFilter,
): Promise<AskedStates> {
	const { answers, failures } = await ask(
		fleet,
		nodes,
		{ what: "states", filter },
		TABLE_TIMEOUT_MS,
	);
	return {
		states: rows(answers, filter.limit, ({ skipped }) => skipped),
		failures,
	};
}

/** What nodes listed, with the node of each, the largest first, up to a limit. */
export function rows<T extends object>(
	answers: ReadonlyMap<string, readonly T[]>,
	limit: number,
	size: (row: T) => number,
): ({ readonly node: string } & T)[] {
	return [...answers]
		.flatMap(([node, listed]) => listed.map((row) => ({ node, ...row })))
		.sort((a, b) => size(b) - size(a))
		.slice(0, limit);
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
