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
	type States,
	transition as stages,
	type Transition,
} from "../plan/transition.js";
import { Fault, type Problem } from "./fault.js";

export interface Plan {
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
): Plan {
	const made = planner(intent, memory, {
		excluded: down,
		draining: drainingOf(sent),
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

/** The stages from what nodes have to the plan; throws Fault invariant_violated. */
export function transition(sent: States, next: States): Transition {
	const made = stages(sent, next);
	// Chains are not compared here: paths of earlier intents may still drain.
	refuse(checkTransition(sent, made));
	return made;
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
