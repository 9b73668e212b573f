/** The planner as the reconciler uses it: a plan that may be sent, or a Fault. */
import type { Intent } from "../model/intent.js";
import type { Memory } from "../plan/allocate.js";
import type { Violation } from "../plan/findings.js";
import {
	chainsOf,
	checkInvariants,
	checkTransition,
} from "../plan/invariants.js";
import type { PathSummary } from "../plan/path.js";
import type { Planner } from "../plan/plan.js";
import {
	remainder,
	type States,
	type Transition,
	transition,
} from "../plan/transition.js";
import { Fault, type Problem } from "./fault.js";

/** Where the nodes are to be brought. */
export interface Target {
	readonly states: States;
	readonly memory: Memory;
	readonly paths: readonly PathSummary[];
	/** What it does not serve yet, and why. */
	readonly warnings: readonly Problem[];
}

/**
 * @param down instances (`function/instance`) that get no paths
 * @param sent what nodes have: numbers of paths that drain are not given anew
 */
export function planIntent(
	planner: Planner,
	intent: Intent,
	memory: Memory,
	down: ReadonlySet<string>,
	sent: States,
): Target {
	const made = planner(intent, memory, {
		excluded: down,
		draining: drainingOf(sent),
		ports: portsOf(sent),
	});
	const { states, paths, problems } = made.plan;
	const errors = problems.filter((problem) => problem.severity === "error");
	if (errors[0]) {
		throw new Fault(
			"unplannable",
			`plan: ${errors[0].message}`,
			errors.map(({ message }) => ({ message })),
		);
	}
	refuse(checkInvariants(states, chainsOf(intent)));
	const warnings = problems.map(({ message }) => ({ message }));
	return { states, memory: made.memory, paths, warnings };
}

/** The stages from what nodes have to the target; throws Fault invariant_violated. */
export function checkedTransition(sent: States, next: States): Transition {
	const made = transition(sent, next);
	// Chains are not compared here: paths of earlier intents may still drain.
	refuse(checkTransition(sent, made));
	return made;
}

/** The target, with old paths that are not drained yet; throws as the transition. */
export function checkedRemainder(
	sent: States,
	next: States,
	drained: ReadonlySet<number>,
): States {
	const left = remainder(sent, next, drained);
	refuse(checkInvariants(left));
	return left;
}

/**
 * Old paths on which flows may stay as long as they live: of policies with
 * `onChange: keep`, over nodes that stay, through instances that are up.
 */
export function keptPaths(
	sent: States,
	next: States,
	down: ReadonlySet<string>,
): ReadonlySet<number> {
	const policies = new Set(
		[...next.values()]
			.flatMap(({ ruleSets }) => ruleSets.flatMap(({ rules }) => rules))
			.filter(({ keep, action }) => keep && action.kind === "chain")
			.map(({ policy }) => policy),
	);
	const kept = new Set<number>();
	const lost = new Set<number>();
	for (const { node, paths, instances } of sent.values()) {
		const broken = new Set(
			instances
				.filter((one) => down.has(`${one.function}/${one.instance}`))
				.flatMap(({ ports }) => ports.map(({ id }) => id)),
		);
		for (const { spi, active, policy, hops } of paths) {
			if (active) continue;
			const isWhole =
				next.has(node) &&
				!hops.some((hop) => hop && "port" in hop && broken.has(hop.port));
			(isWhole && policies.has(policy) ? kept : lost).add(spi);
		}
	}
	return new Set([...kept].filter((spi) => !lost.has(spi)));
}

function refuse(violations: readonly Violation[]): void {
	const [first] = violations;
	if (!first) return;
	throw new Fault(
		"invariant_violated",
		`plan: ${first.message}`,
		violations.map(({ message }) => ({ message })),
	);
}

function drainingOf(sent: States): Set<number> {
	return new Set(
		[...sent.values()]
			.flatMap((state) => state.paths)
			.filter((path) => !path.active)
			.map((path) => path.spi),
	);
}

function portsOf(sent: States): Map<string, Set<number>> {
	return new Map(
		[...sent].map(([node, { instances }]) => [
			node,
			new Set(instances.flatMap(({ ports }) => ports.map(({ id }) => id))),
		]),
	);
}
