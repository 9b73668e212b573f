/**
 * Carries intent to the nodes: plan, then make (new hops beside the old ones),
 * switch (classifiers point at the new), drain, break (old hops go). What is
 * wanted is stored before anything is sent, and a roll-out starts from what was
 * last sent, whatever that is: a controller killed anywhere just goes on.
 */
import type { Intent } from "../model/intent.js";
import { type Memory, NO_MEMORY } from "../plan/allocate.js";
import { createPlanner } from "../plan/plan.js";
import type { States } from "../plan/transition.js";
import type { Delivery, Outcome } from "./delivery.js";
import type { EventLog } from "./events.js";
import { Fault, type Problem } from "./fault.js";
import { loadIntent } from "./intent-store.js";
import {
	keptPaths,
	type Plan,
	planIntent,
	remainder,
	transition,
} from "./planning.js";
import { retire } from "./retire.js";
import type { Store, Write } from "./store/store.js";

export type Phase = "idle" | "make" | "switch" | "drain" | "break" | "rollback";

/** Writes to the intent and the intent they lead to. */
export interface Revision {
	readonly intent: Intent;
	readonly writes: readonly Write[];
	/** Event that names the change and who asked for it. */
	readonly message: string;
	readonly who: string;
	readonly tenant?: string;
}

export interface Applied {
	readonly revision: number;
	/** Connected nodes that have not switched in time. */
	readonly pending: readonly string[];
	/** What the plan could not serve, and why. */
	readonly warnings: readonly Problem[];
}

export interface Reconciler {
	/** What is in force. */
	readonly intent: Intent;
	readonly phase: Phase;
	readonly lastError: string | undefined;
	/** Why nodes refused the newest change, by node; empty once one succeeds. */
	readonly refusals: ReadonlyMap<string, string>;
	/**
	 * Runs after every change before it: `make` sees the newest intent. Ends
	 * when all connected nodes have switched. Throws what `make` throws, and
	 * Fault unplannable, invariant_violated, node_refused, node_unreachable:
	 * then the intent is what it was.
	 */
	change(
		make: (intent: Intent) => Promise<Revision | undefined>,
		timeoutMs: number,
	): Promise<Applied>;
	/** Plans without sending; throws as planning in `change` does. */
	check(intent: Intent): Plan;
	/** An instance (`function/instance`) is down or up again. */
	health(instance: string, isDown: boolean): void;
	/** Work ends where it is, to be resumed at the next start. */
	close(): Promise<void>;
}

/** In the store: what the plan in force was made from, beside the intent. */
interface Planned {
	readonly memory: Memory;
	readonly down: readonly string[];
}

/** In the store while a change is on its way to the nodes. */
interface Pending extends Planned {
	readonly writes: readonly Write[];
	readonly message: string;
	readonly who: string;
	readonly tenant?: string;
}

const PENDING = "change";
const PLANNED = "planned";
/** For changes that nobody waits for: health, resuming, breaking. */
const BACKGROUND_TIMEOUT_MS = 30_000;

export async function openReconciler(
	store: Store,
	delivery: Delivery,
	log: EventLog,
	joined: readonly string[],
): Promise<Reconciler> {
	const planner = createPlanner();
	let intent = await loadIntent(store);
	const planned = (await store.get(PLANNED))?.value as Planned | undefined;
	let memory = planned?.memory ?? NO_MEMORY;
	const down = new Set(planned?.down);
	let downInForce: readonly string[] = [...down];
	let phase: Phase = "idle";
	let lastError: string | undefined;
	const refusals = new Map<string, string>();
	let closing = false;
	/** Nodes hold more than the plan in force needs: old hops, or a failed change's. */
	let unsettled = false;
	let waiting = 0;
	let draining = new AbortController();
	let queue: Promise<unknown> = Promise.resolve();
	let healthQueued = false;

	/** One after the other; draining makes way for what is newer. */
	function enqueue<T>(work: () => Promise<T>): Promise<T> {
		waiting++;
		draining.abort();
		const result = queue.then(async () => {
			waiting--;
			if (closing) throw new Fault("shutting_down", "change: controller stops");
			draining = new AbortController();
			if (waiting > 0) draining.abort();
			try {
				return await work();
			} finally {
				phase = "idle";
			}
		});
		queue = result.then(
			() => undefined,
			() => undefined,
		);
		queue.then(() => {
			if (unsettled && waiting === 0 && !closing) background("settle", settle);
		});
		return result;
	}

	function background(what: string, work: () => Promise<void>): void {
		enqueue(work).catch((error) => {
			if (closing) return;
			lastError = messageOf(error);
			log.add({ kind: "error", message: `${what}: ${lastError}` });
		});
	}

	const plan = (next: Intent, from: Memory, without: Iterable<string>): Plan =>
		planIntent(planner, next, from, new Set(without), delivery.desired);

	/** Drains what is old, then takes it away. */
	async function settle(): Promise<void> {
		// Made true again below: a plan that fails must not be tried for ever.
		unsettled = false;
		const target = plan(intent, memory, downInForce);
		const steps = transition(delivery.desired, target.states);
		await step("make", steps.make, []);
		await step("switch", steps.switch, []);
		phase = "drain";
		const kept = keptPaths(
			delivery.desired,
			target.states,
			new Set(downInForce),
		);
		const drained = await delivery.drained(kept, draining.signal);
		unsettled = true;
		if (!drained) return;
		const left = remainder(delivery.desired, target.states, drained);
		await step("break", left, []);
		unsettled = hasDraining(left);
		if (!unsettled) await delivery.forget(target.states);
	}

	async function step(
		name: Phase,
		states: States,
		alongside: readonly Write[],
		timeoutMs = BACKGROUND_TIMEOUT_MS,
	): Promise<Outcome> {
		phase = name;
		const outcome = await delivery.send(states, alongside, timeoutMs);
		const [first] = outcome.refused;
		if (first) lastError = `node ${first.node} refused: ${first.reason}`;
		for (const { node, reason } of outcome.refused) refusals.set(node, reason);
		return outcome;
	}

	/** Gives up: nodes get what they had before the phase that failed. */
	async function abort(
		cause: Fault,
		before: States,
		failed: Plan,
	): Promise<never> {
		memory = retire(memory, failed.memory);
		const event = log.draft({ kind: "abort", message: cause.message });
		const writes: Write[] = [
			{ key: PENDING, value: undefined },
			{ key: PLANNED, value: { memory, down: downInForce } },
			event.write,
		];
		await step("rollback", before, writes);
		event.publish();
		lastError = cause.message;
		throw cause;
	}

	/** Make and switch; commits the intent when all connected nodes have switched. */
	async function rollOut(
		wanted: Revision,
		from: Memory,
		without: readonly string[],
		timeoutMs: number,
	): Promise<Applied> {
		const { intent: next, writes, message, who, tenant } = wanted;
		const target = plan(next, from, without);
		const before = new Map(delivery.desired);
		const steps = transition(before, target.states);
		const inForce: Planned = { memory: target.memory, down: without };
		const said = { message, who, ...(tenant !== undefined && { tenant }) };
		const pending: Pending = { ...inForce, writes, ...said };
		const record = { key: PENDING, value: pending };
		unsettled = true;
		const made = await step("make", steps.make, [record], timeoutMs);
		const unmade = faultOf(made) ?? silenceOf(made);
		if (unmade) {
			return abort(unmade, withNewOnes(before, steps.make), target);
		}
		const switched = await step("switch", steps.switch, [], timeoutMs);
		const fault = faultOf(switched);
		if (fault) return abort(fault, steps.make, target);

		const event = log.draft({ kind: "change", ...said });
		await store.transact([
			...writes,
			{ key: PENDING, value: undefined },
			{ key: PLANNED, value: inForce },
			event.write,
		]);
		event.publish();
		lastError = undefined;
		refusals.clear();
		intent = next;
		({ memory, down: downInForce } = inForce);
		return {
			revision: switched.revision,
			pending: switched.missing,
			warnings: target.warnings,
		};
	}

	function replan(): void {
		if (healthQueued) return;
		healthQueued = true;
		background("replan", async () => {
			healthQueued = false;
			const names = [...down].sort().join(", ") || "none";
			const wanted = {
				intent,
				writes: [],
				message: `replanned; instances down: ${names}`,
				who: "controller",
			};
			await rollOut(wanted, memory, [...down], BACKGROUND_TIMEOUT_MS);
		});
	}

	/** After a start: agents first get the chance to come back. */
	function resume(): void {
		background("resume", async () => {
			await delivery.present(joined.filter((n) => delivery.desired.has(n)));
			const pending = (await store.get(PENDING))?.value as Pending | undefined;
			if (!pending) return settle();
			const wanted = {
				...pending,
				intent: await loadIntent(store, pending.writes),
			};
			const { memory: from, down: without } = pending;
			await rollOut(wanted, from, without, BACKGROUND_TIMEOUT_MS);
		});
	}

	resume();

	return {
		get intent() {
			return intent;
		},
		get phase() {
			return phase;
		},
		get lastError() {
			return lastError;
		},
		refusals,
		change: (make, timeoutMs) =>
			enqueue(async () => {
				const revision = await make(intent);
				if (!revision) {
					return { revision: delivery.revision, pending: [], warnings: [] };
				}
				return rollOut(revision, memory, [...down], timeoutMs);
			}),
		check: (next) => plan(next, memory, down),
		health(instance, isDown) {
			if (down.has(instance) === isDown) return;
			if (isDown) down.add(instance);
			else down.delete(instance);
			replan();
		},
		async close() {
			closing = true;
			draining.abort();
			delivery.close();
			await queue;
		},
	};
}

/** Nodes that were not there before have nothing to go back to but nothing. */
function withNewOnes(before: States, made: States): States {
	const states = new Map(before);
	for (const [node, state] of made) {
		if (!states.has(node)) {
			states.set(node, {
				...state,
				tenants: [],
				interfaces: [],
				peers: [],
				instances: [],
				paths: [],
				ruleSets: [],
			});
		}
	}
	return states;
}

function hasDraining(states: States): boolean {
	return [...states.values()].some(({ paths }) =>
		paths.some((path) => !path.active),
	);
}

function faultOf(outcome: Outcome): Fault | undefined {
	const [first] = outcome.refused;
	if (!first) return undefined;
	return new Fault(
		"node_refused",
		`apply: node ${first.node}: ${first.reason} (nothing has changed)`,
		outcome.refused.map(({ node, reason }) => ({
			message: `node ${node}: ${reason}`,
		})),
	);
}

function silenceOf(outcome: Outcome): Fault | undefined {
	if (outcome.missing.length === 0) return undefined;
	const names = outcome.missing.join(", ");
	return new Fault(
		"node_unreachable",
		`apply: no acknowledgement in time from ${names} (nothing has changed; look at their agents, or end them)`,
	);
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
