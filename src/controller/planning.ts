/** The planner as the reconciler uses it: a plan that may be sent, or a Fault. */
import type { Intent } from "../model/intent.js";
import type { Memory } from "../plan/allocate.js";
import { declaredBy } from "../plan/declared.js";
import type { Violation } from "../plan/findings.js";
import { checkInvariants, checkTransition } from "../plan/invariants.js";
import type { PathSummary } from "../plan/path.js";
import type { Planner } from "../plan/plan.js";
import type { NodeState, PathState } from "../plan/state.js";
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

/** What gets no paths while others can serve. */
export interface Without {
	/** Instances (`function/instance`), and nodes with all that is on them. */
	readonly down: readonly string[];
	/** Instances whose flows stay until they end. */
	readonly leaving: readonly string[];
}

/**
 * @param sent what nodes have: numbers of paths that drain are not given anew
 */
export function planIntent(
	planner: Planner,
	intent: Intent,
	memory: Memory,
	{ down, leaving }: Without,
	sent: States,
): Target {
	const made = planner(intent, memory, {
		excluded: new Set(down.filter(isInstance)),
		nodesDown: new Set(down.filter((name) => !isInstance(name))),
		leaving: new Set(leaving),
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
	refuse(checkInvariants(states, declaredBy(intent)));
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
 * `onChange: keep`, or through an instance that is to be left; over nodes that
 * stay, through instances that are served for.
 */
export function keptPaths(
	sent: States,
	next: States,
	{ policies }: Intent,
	{ down, leaving }: Without,
): ReadonlySet<number> {
	const chained = new Set(
		[...next.values()]
			.flatMap(({ ruleSets }) => ruleSets.flatMap(({ rules }) => rules))
			.filter(({ keep, action }) => keep && action.kind === "chain")
			.map(({ policy }) => policy),
	);
	const dead = lostPaths(sent, down);
	const kept = new Set<number>();
	const lost = new Set<number>();
	for (const state of sent.values()) {
		const left = portsOfInstances(state, leaving);
		for (const { spi, reverseSpi, active, policy, hops } of state.paths) {
			if (active) continue;
			if (dead.has(spi) || !next.has(state.node)) lost.add(spi);
			if (!chained.has(policy)) continue;
			const stays =
				policies.get(policy)?.spec.onChange === "keep" || passes(hops, left);
			/* Nodes that do not have the instance hold parts of the path, too. */
			if (stays) kept.add(spi).add(reverseSpi);
		}
	}
	return new Set([...kept].filter((spi) => !lost.has(spi)));
}

/** Names of nodes have no slash. */
function isInstance(name: string): boolean {
	return name.includes("/");
}

/**
 * Old paths on which nothing gets on: over a node that is down, or through an
 * instance that is, without another one of the function on its node to serve for
 * it (agent/failover.ts).
 */
export function lostPaths(
	sent: States,
	down: Without["down"],
): ReadonlySet<number> {
	const lost = new Set<number>();
	for (const state of sent.values()) {
		const isDown = down.includes(state.node);
		const dead = portsOfInstances(state, down);
		for (const id of [...dead]) if (hasPeer(state, id, dead)) dead.delete(id);
		for (const { spi, reverseSpi, active, hops } of state.paths)
			if (!active && (isDown || passes(hops, dead)))
				lost.add(spi).add(reverseSpi);
	}
	return lost;
}

function portsOfInstances(
	{ instances }: NodeState,
	names: readonly string[],
): Set<number> {
	return new Set(
		instances
			.filter((one) => names.includes(`${one.function}/${one.instance}`))
			.flatMap(({ ports }) => ports.map(({ id }) => id)),
	);
}

function passes(hops: PathState["hops"], ports: ReadonlySet<number>): boolean {
	return hops.some((hop) => hop && "port" in hop && ports.has(hop.port));
}

function hasPeer(
	{ instances }: NodeState,
	port: number,
	dead: ReadonlySet<number>,
): boolean {
	const own = instances.find(({ ports }) =>
		ports.some(({ id }) => id === port),
	);
	const tenantId = own?.ports.find(({ id }) => id === port)?.tenantId;
	if (!own || own.spec.rewrites || tenantId === undefined) return false;
	return instances.some(
		(one) =>
			one.function === own.function &&
			one.ports.some(
				(peer) => peer.tenantId === tenantId && !dead.has(peer.id),
			),
	);
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
