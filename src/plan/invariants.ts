/**
 * The six invariants of the design, checked on the states that would be sent
 * and not on how they came about. A plan that violates one is not sent.
 */
import { ANYTHING, type Declared } from "./declared.js";
import { equal } from "./equal.js";
import { Findings, type Violation } from "./findings.js";
import { SLOTS } from "./hash.js";
import { checkIsolation } from "./isolation.js";
import { checkSecrecy } from "./secrecy.js";
import type { PathState, RuleSetState } from "./state.js";
import {
	begins,
	type Survey,
	type Surveyed,
	surroundings,
	survey,
} from "./survey.js";
import type { States, Transition } from "./transition.js";
import { chosenBy, Network, type NodeIndex } from "./walk.js";

const NOWHERE: Survey = { faults: [], ways: new Map() };

/** Checks all nodes' states as one network. */
export function checkInvariants(
	states: States,
	declared: Declared = ANYTHING,
): Violation[] {
	const network = new Network(states.values());
	const around = surroundings(states.values());
	const surveys = new Map<number, Survey>();
	const findings = new Findings();
	for (const [spi, holders] of network.holders) {
		const path = holders[0]?.paths.get(spi);
		if (path) {
			const found = survey(network, spi, around);
			surveys.set(spi, found);
			checkPath(path, found, declared, findings);
			for (const holder of holders) checkBackup(holder, spi, findings);
		}
	}
	const surveyed = (spi: number) => surveys.get(spi) ?? NOWHERE;
	for (const node of network.nodes.values()) {
		for (const set of node.state.ruleSets) {
			checkRules(surveyed, node, set, findings);
		}
	}
	checkIsolation(network, surveyed, findings);
	checkSecrecy(network, declared, findings);
	return findings.violations;
}

/** Checks every stage of a change, and that no stage takes what a flow still needs. */
export function checkTransition(
	old: States,
	stages: Transition,
	declared: Declared = ANYTHING,
): Violation[] {
	const findings = new Findings();
	for (const [name, state] of old) {
		const used = state.paths.filter((path) => path.active);
		for (const stage of ["make", "switch"] as const) {
			const now = new Map(
				stages[stage].get(name)?.paths.map((path) => [path.spi, path]),
			);
			for (const path of used) {
				const kept = now.get(path.spi);
				if (kept !== path && !(kept && carriesOn(kept, path))) {
					const what = kept ? "is changed" : "is gone";
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
		...checkInvariants(stages.make, declared),
		...checkInvariants(stages.switch, declared),
		...checkInvariants(stages.break, declared),
	];
}

/**
 * Whether packets under way on a path go on. Its key may come to hold the DSCP, or
 * no longer: those inside a function are found by either. So may its backup.
 */
function carriesOn(now: PathState, before: PathState): boolean {
	const { byDscp: _, backup: _b, relies: _r, closed: _c, ...kept } = now;
	const { byDscp: __, backup: __b, relies: __r, ...path } = before;
	return equal({ ...kept, active: true }, path);
}

function checkPath(
	path: PathState,
	{ faults, ways }: Survey,
	declared: Declared,
	findings: Findings,
): void {
	const { policy, spi, direction } = path;
	for (const { invariant, cause, ...at } of faults) {
		findings.add(invariant, policy, { spi, ...at }, cause);
	}
	const known = declared.chains(policy);
	for (const way of known ? ways.values() : []) {
		const met = direction === "forward" ? way.met : way.met.toReversed();
		if (!known?.some((chain) => equal(chain, met))) {
			const wrong = met.findIndex((name, i) => name !== known?.at(-1)?.[i]);
			findings.add(
				1,
				policy,
				{ spi, hop: Math.max(wrong, 0) },
				`it meets ${met.join(" -> ") || "nothing"}, its chain is ${known?.map((one) => one.join(" -> ")).join(" or ")}`,
			);
		}
	}
}

/** A backup takes the same packets, from the same node on, by another way. */
function checkBackup(
	{ state, paths }: NodeIndex,
	spi: number,
	findings: Findings,
): void {
	const path = paths.get(spi);
	if (path?.backup === undefined) return;
	const { node } = state;
	const other = paths.get(path.backup);
	const add = (cause: string) =>
		findings.add(
			6,
			path.policy,
			{ spi, node },
			`its backup ${path.backup} ${cause}`,
		);
	if (!other || !begins(other)) {
		add(`does not begin at node ${node}`);
	} else if (path.backup === spi) {
		add("is itself");
	} else if (!equal(servedBy(path), servedBy(other))) {
		add("is not for its packets");
	}
}

function servedBy({
	policy,
	tenantId,
	flowClass,
	direction,
	length,
}: PathState): object {
	return {
		policy,
		tenantId,
		flowClass: flowClass ?? policy,
		direction,
		length,
	};
}

function checkRules(
	surveyed: Surveyed,
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
		for (const spi of chosenBy(action)) {
			const at = { spi, hop: 0, node };
			const path = paths.get(spi);
			if (!path || !begins(path)) {
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
			const home = surveyed(spi).ways.get(node)?.home;
			if (home !== undefined && home !== node) {
				findings.add(
					5,
					policy,
					at,
					`replies end at node ${home}, not where they came from`,
				);
			}
		}
	}
}
