/**
 * The six invariants of the design, checked on the states that would be sent
 * and not on how they came about. A plan that violates one is not sent.
 */
import { isDeepStrictEqual } from "node:util";
import type { Intent } from "../model/intent.js";
import { parseRule } from "../model/language/index.js";
import { SLOTS } from "./hash.js";
import { checkIsolation } from "./isolation.js";
import { MAX_FUNCTIONS } from "./path.js";
import { type PathState, type RuleSetState, SI_START } from "./state.js";
import type { States, Transition } from "./transition.js";
import { type Decision, Network, type NodeIndex, walk } from "./walk.js";

export type Invariant = 1 | 2 | 3 | 4 | 5 | 6;

export const INVARIANTS: Readonly<Record<Invariant, string>> = {
	1: "a packet meets every function of its chain, in order, or is dropped",
	2: "no loop; the service index falls",
	3: "what must stay on its node never leaves it",
	4: "no packet enters another tenant's chain or exit",
	5: "replies traverse the same instances in reverse",
	6: "a change loses no packet of a flow that both plans allow",
};

export interface Violation {
	readonly invariant: Invariant;
	readonly policy: string;
	readonly spi?: number;
	/** Entry of the path, from 0. */
	readonly hop?: number;
	readonly node?: string;
	/** Names invariant, policy, path and hop, and says what is wrong. */
	readonly message: string;
}

/** Chains that a policy's paths may have: in a change the old and the new one. */
export type ChainsOf = (
	policy: string,
) => readonly (readonly string[])[] | undefined;

/** Chains as declared, from one intent or from the two of a change. */
export function chainsOf(...intents: readonly Intent[]): ChainsOf {
	const chains = new Map<string, string[][]>();
	for (const { name, spec } of intents.flatMap((one) => [
		...one.policies.values(),
	])) {
		const parsed = parseRule(spec.rule);
		if (parsed.ok && parsed.rule.action.kind === "chain") {
			const list = chains.get(name) ?? [];
			chains.set(name, list);
			list.push([...parsed.rule.action.functions]);
		}
	}
	return (policy) => chains.get(policy);
}

/** What is found wrong; empty: the states may be sent. */
export class Findings {
	readonly violations: Violation[] = [];

	add(
		invariant: Invariant,
		policy: string,
		at: { spi?: number; hop?: number; node?: string },
		cause: string,
	): void {
		const place = [
			`policy ${policy}`,
			...(at.spi === undefined ? [] : [`path ${at.spi}`]),
			...(at.hop === undefined ? [] : [`hop ${at.hop}`]),
		].join(", ");
		this.violations.push({
			invariant,
			policy,
			...at,
			message: `invariant ${invariant} (${INVARIANTS[invariant]}): ${place}: ${cause}`,
		});
	}
}

/** Checks all nodes' states as one network. */
export function checkInvariants(
	states: States,
	chains: ChainsOf = () => undefined,
): Violation[] {
	const network = new Network(states.values());
	const findings = new Findings();
	for (const [spi, holders] of network.holders) {
		checkPath(network, spi, holders, chains, findings);
	}
	for (const node of network.nodes.values()) {
		for (const set of node.state.ruleSets) {
			checkRules(network, node, set, findings);
		}
	}
	checkIsolation(network, findings);
	return findings.violations;
}

/** Checks every stage of a change, and that no stage takes what a flow still needs. */
export function checkTransition(
	old: States,
	stages: Transition,
	chains: ChainsOf = () => undefined,
): Violation[] {
	const findings = new Findings();
	for (const [name, state] of old) {
		const used = state.paths.filter((path) => path.active);
		for (const stage of ["make", "switch"] as const) {
			const now = new Map(
				stages[stage].get(name)?.paths.map((path) => [path.spi, path]),
			);
			for (const { active: _, ...path } of used) {
				const { active: __, ...kept } = now.get(path.spi) ?? { active: false };
				if (!isDeepStrictEqual(kept, path)) {
					const what = "spi" in kept ? "is changed" : "is gone";
					findings.add(
						6,
						path.policy,
						{ spi: path.spi, node: name },
						`it ${what} on node ${name} at stage ${stage} while flows are on it`,
					);
				}
			}
		}
	}
	return [
		...findings.violations,
		...checkInvariants(stages.make, chains),
		...checkInvariants(stages.switch, chains),
		...checkInvariants(stages.break, chains),
	];
}

function checkPath(
	network: Network,
	spi: number,
	holders: readonly NodeIndex[],
	chains: ChainsOf,
	findings: Findings,
): void {
	const first = holders[0]?.paths.get(spi);
	if (!first) {
		return;
	}
	const { hops: _, ...facts } = first;
	for (const holder of holders) {
		const { hops, ...own } = holder.paths.get(spi) ?? first;
		const node = holder.state.node;
		if (!isDeepStrictEqual(own, facts)) {
			findings.add(
				1,
				first.policy,
				{ spi, node },
				`node ${node} and node ${holders[0]?.state.node} hold different paths under this SPI`,
			);
		}
		if (hops.length !== own.length + 1 || own.length > MAX_FUNCTIONS) {
			findings.add(
				2,
				first.policy,
				{ spi, node },
				`node ${node} has ${hops.length} entries for ${own.length} functions`,
			);
		}
	}
	const starts = holders.filter((one) => one.paths.get(spi)?.hops[0]);
	if (starts.length === 0) {
		findings.add(
			1,
			first.policy,
			{ spi, hop: 0 },
			`no node serves service index ${SI_START}`,
		);
	}
	for (const start of starts) {
		checkWalk(network, first, start.state.node, chains, findings);
	}
}

function checkWalk(
	network: Network,
	path: PathState,
	start: string,
	chains: ChainsOf,
	findings: Findings,
): void {
	const { policy, spi } = path;
	const { decisions, stuck } = walk(network, spi, start);
	if (stuck) {
		const invariant = stuck.loop || stuck.reason === "ttl_zero" ? 2 : 1;
		findings.add(
			stuck.reason === "unknown_peer" ? 3 : invariant,
			policy,
			{ spi, hop: stuck.index, node: stuck.node },
			stuck.message,
		);
		return;
	}
	const stops = decisions.filter((one) => one.instance);
	const last = decisions.at(-1);
	if (last && last.index !== path.length) {
		findings.add(
			1,
			policy,
			{ spi, hop: last.index, node: last.node },
			`node ${last.node} lets it out before its last function`,
		);
		return;
	}
	const names = stops.map((one) => one.instance?.function ?? "");
	const met = path.direction === "forward" ? names : names.toReversed();
	const known = chains(policy);
	if (known && !known.some((chain) => isDeepStrictEqual([...chain], met))) {
		const wrong = met.findIndex((name, i) => name !== known.at(-1)?.[i]);
		findings.add(
			1,
			policy,
			{ spi, hop: Math.max(wrong, 0) },
			`it meets ${met.join(" -> ") || "nothing"}, its chain is ${known.map((one) => one.join(" -> ")).join(" or ")}`,
		);
	}
	checkReverse(network, path, start, decisions, findings);
}

function checkReverse(
	network: Network,
	path: PathState,
	start: string,
	decisions: readonly Decision[],
	findings: Findings,
): void {
	const { policy, spi, reverseSpi } = path;
	const add = (cause: string, hop?: number) =>
		findings.add(
			5,
			policy,
			{ spi, ...(hop === undefined ? {} : { hop }) },
			cause,
		);
	const exit = decisions.at(-1)?.node ?? start;
	const back = network.nodes.get(exit)?.paths.get(reverseSpi);
	if (
		back?.reverseSpi !== spi ||
		back.direction === path.direction ||
		back.tenantId !== path.tenantId ||
		back.policy !== policy
	) {
		add(`node ${exit}, where it ends, has no path ${reverseSpi} back`);
		return;
	}
	const returned = walk(network, reverseSpi, exit);
	if (returned.stuck) {
		add(
			`path ${reverseSpi} back: ${returned.stuck.message}`,
			returned.stuck.index,
		);
		return;
	}
	const portsOf = (steps: readonly Decision[]) =>
		steps.flatMap(({ node, port }) => (port ? [`${node} ${port.id}`] : []));
	const there = portsOf(decisions);
	const home = portsOf(returned.decisions).toReversed();
	const wrong = there.findIndex((port, index) => port !== home[index]);
	if (wrong >= 0 || there.length !== home.length) {
		add("the way back meets other ports", Math.max(wrong, 0));
	}
}

function checkRules(
	network: Network,
	{ state, paths }: NodeIndex,
	set: RuleSetState,
	findings: Findings,
): void {
	const { node } = state;
	let above = Number.POSITIVE_INFINITY;
	for (const { policy, rank, action } of set.rules) {
		if (rank >= above) {
			findings.add(1, policy, { node }, `rank ${rank} is not below ${above}`);
		}
		above = rank;
		if (action.kind !== "chain") {
			continue;
		}
		if (action.slots.length !== SLOTS && action.slots.length !== 1) {
			findings.add(6, policy, { node }, `${action.slots.length} slots`);
		}
		for (const spi of new Set(action.slots)) {
			const at = { spi, hop: 0, node };
			const path = paths.get(spi);
			if (!path?.hops[0]) {
				findings.add(1, policy, at, `node ${node} cannot begin this path`);
				continue;
			}
			if (!path.active) {
				findings.add(6, policy, at, `new flows would take a draining path`);
			}
			if (path.policy !== policy || path.direction !== "forward") {
				findings.add(
					1,
					policy,
					at,
					`it is a ${path.direction} path of policy ${path.policy}`,
				);
			}
			if (path.tenantId !== set.tenantId) {
				findings.add(
					4,
					policy,
					at,
					`rules of tenant ${set.tenantId} on node ${node} point to a path of tenant ${path.tenantId}`,
				);
			}
			const { stuck, decisions } = walk(network, spi, node);
			const exit = decisions.at(-1)?.node ?? "";
			const back = stuck ? undefined : walk(network, path.reverseSpi, exit);
			if (back && !back.stuck && back.decisions.at(-1)?.node !== node) {
				findings.add(
					5,
					policy,
					at,
					`replies end at node ${back.decisions.at(-1)?.node}, not where they came from`,
				);
			}
		}
	}
}
