/**
 * Carries intent to the nodes: plan, then make (new hops beside the old ones; keys
 * for those that are sealed), switch (classifiers point at the new), drain, break
 * (old hops go, and their keys). What is
 * wanted is stored before anything is sent, and a roll-out starts from what was
 * last sent, whatever that is: a controller killed anywhere just goes on.
 */
import type { Intent } from "../model/intent.js";
import { type Memory, NO_MEMORY } from "../plan/allocate.js";
import { createPlanner } from "../plan/plan.js";
import { emptied, type States, type Transition } from "../plan/transition.js";
import type { Keying } from "./auc/keying.js";
import type { Delivery } from "./delivery.js";
import type { Draining } from "./draining.js";
import type { EventLog } from "./events.js";
import { Fault, type Problem } from "./fault.js";
import { loadIntent } from "./intent-store.js";
import { checkLinks } from "./key-quota.js";
import {
	checkedRemainder,
	checkedTransition,
	keptPaths,
	lostPaths,
	planIntent,
	type Target,
	type Without,
} from "./planning.js";
import { retire } from "./retire.js";
import { BACKGROUND_TIMEOUT_MS, refusalOf, Steps, silenceOf } from "./steps.js";
import type { Store, Write } from "./store/store.js";

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

/** Its methods run one at a time: who calls them sees to that. */
export interface RollOut {
	/** What is in force, and the instances its plan does without. */
	readonly intent: Intent;
	readonly without: Without;
	readonly steps: Steps;
	/** Nodes hold more than the plan in force needs: old hops, or a failed change's. */
	readonly isUnsettled: boolean;
	/** Plans without sending; throws as planning in `carryOut` does. */
	plan(next: Intent, without: Without): Target;
	/**
	 * Make and switch; commits the intent when all connected nodes have
	 * switched. Throws Fault unplannable, quota_exceeded, invariant_violated,
	 * node_refused, node_unreachable, keys_missing, keys_unavailable: then the
	 * intent is what it was.
	 */
	carryOut(
		wanted: Revision,
		without: Without,
		timeoutMs?: number,
	): Promise<Applied>;
	/** Carries on with the change that was under way at the last stop; false: none was. */
	resume(): Promise<boolean>;
	/** Drains what is old, then takes it away, unless something newer comes. */
	settle(newer: AbortSignal): Promise<void>;
}

/** In the store: what the plan in force was made from, beside the intent. */
interface Planned extends Without {
	readonly memory: Memory;
}

/** In the store while a change is on its way to the nodes. */
interface Pending extends Planned, Omit<Revision, "intent"> {}

/** What a store of an earlier version says nothing of. */
const NONE: Without = { down: [], leaving: [] };
const PENDING = "change";
const PLANNED = "planned";

export async function openRollOut(
	store: Store,
	delivery: Delivery,
	draining: Draining,
	keying: Keying,
	log: EventLog,
): Promise<RollOut> {
	const planner = createPlanner();
	const steps = new Steps(delivery);
	let intent = await loadIntent(store);
	let inForce: Planned = {
		memory: NO_MEMORY,
		...NONE,
		...((await store.get(PLANNED))?.value as Planned | undefined),
	};
	let isUnsettled = false;
	keying.declare(delivery.desired).catch((error) => {
		log.add({ kind: "error", message: `keys: ${String(error)}` });
	});

	const plan = (next: Intent, { memory, ...without }: Planned): Target =>
		planIntent(planner, next, memory, without, delivery.desired);

	/** Why nodes must not switch: a sealed hop that would carry traffic has no keys. */
	async function unkeyed(
		running: States,
		{ make, switch: next }: Transition,
		timeoutMs: number,
	): Promise<Fault | undefined> {
		try {
			await keying.declare(make);
			return await keying.missing(running, next, timeoutMs);
		} catch (error) {
			if (error instanceof Fault) return error;
			const cause = error instanceof Error ? error.message : String(error);
			return new Fault("internal", `apply: keys: ${cause}`);
		}
	}

	/** Gives up: nodes get what they had before the phase that failed. */
	async function abort(
		cause: Fault,
		before: States,
		failed: Target,
	): Promise<never> {
		inForce = { ...inForce, memory: retire(inForce.memory, failed.memory) };
		const event = log.draft({ kind: "abort", message: cause.message });
		await steps.send("rollback", before, [
			{ key: PENDING, value: undefined },
			{ key: PLANNED, value: inForce },
			event.write,
		]);
		event.publish();
		/* The cause is to be told, not what may come of going back. */
		await keying.declare(before).catch(() => {});
		steps.lastError = cause.message;
		throw cause;
	}

	async function rollOut(
		{ intent: next, writes, ...said }: Revision,
		before: Planned,
		timeoutMs?: number,
	): Promise<Applied> {
		const from = { ...before, leaving: declared(before.leaving, next) };
		const target = plan(next, from);
		checkLinks(said.tenant, target.states, next);
		const running = new Map(delivery.desired);
		const stages = checkedTransition(running, target.states);
		const planned: Planned = { ...from, memory: target.memory };
		const pending: Pending = { ...planned, writes, ...said };
		const record = { key: PENDING, value: pending };
		isUnsettled = true;
		const endMs = performance.now() + (timeoutMs ?? BACKGROUND_TIMEOUT_MS);
		const made = await steps.send("make", stages.make, [record], timeoutMs);
		const unmade =
			refusalOf(made) ??
			silenceOf(made) ??
			(await unkeyed(running, stages, Math.max(0, endMs - performance.now())));
		if (unmade) return abort(unmade, withNewOnes(running, stages.make), target);
		const switched = await steps.send("switch", stages.switch, [], timeoutMs);
		const refused = refusalOf(switched);
		if (refused) return abort(refused, stages.make, target);

		const event = log.draft({ kind: "change", ...said });
		await store.transact([
			...writes,
			{ key: PENDING, value: undefined },
			{ key: PLANNED, value: planned },
			event.write,
		]);
		event.publish();
		steps.succeeded();
		intent = next;
		inForce = planned;
		return {
			revision: switched.revision,
			pending: switched.missing,
			warnings: target.warnings,
		};
	}

	return {
		get intent() {
			return intent;
		},
		get without() {
			return { down: inForce.down, leaving: inForce.leaving };
		},
		steps,
		get isUnsettled() {
			return isUnsettled;
		},

		plan: (next, without) => plan(next, { ...inForce, ...without }),

		carryOut: (wanted, without, timeoutMs) =>
			rollOut(wanted, { ...inForce, ...without }, timeoutMs),

		async resume() {
			const pending = (await store.get(PENDING))?.value as Pending | undefined;
			if (!pending) return false;
			const { memory, down, leaving = [], ...change } = pending;
			const next = await loadIntent(store, change.writes);
			await rollOut({ ...change, intent: next }, { memory, down, leaving });
			return true;
		},

		async settle(newer) {
			// Made true again below: a plan that fails must not be tried for ever.
			isUnsettled = false;
			const { states } = plan(intent, inForce);
			const running = new Map(delivery.desired);
			const stages = checkedTransition(running, states);
			await steps.send("make", stages.make);
			const without = await unkeyed(running, stages, BACKGROUND_TIMEOUT_MS);
			if (without) throw without;
			await steps.send("switch", stages.switch);
			steps.phase = "drain";
			const { desired } = delivery;
			const kept = keptPaths(desired, states, intent, inForce);
			const lost = lostPaths(desired, inForce.down);
			const drained = await draining.drained(kept, lost, newer);
			isUnsettled = true;
			if (!drained) return;
			const left = checkedRemainder(delivery.desired, states, drained);
			await steps.send("break", left);
			await keying.declare(left);
			isUnsettled = hasDraining(left);
			if (!isUnsettled) await delivery.forget(states);
		},
	};
}

/** Of these instances those that there are: another one may get the name. */
function declared(names: readonly string[], { functions }: Intent): string[] {
	return names.filter((name) => {
		const [fn = "", instance] = name.split("/");
		const spec = functions.get(fn)?.spec;
		return spec?.instances.some((one) => one.name === instance);
	});
}

/** Nodes that were not there before have nothing to go back to but nothing. */
function withNewOnes(before: States, made: States): States {
	const states = new Map(before);
	for (const [node, state] of made) {
		if (!states.has(node)) states.set(node, emptied(state, state.revision));
	}
	return states;
}

function hasDraining(states: States): boolean {
	return [...states.values()].some(({ paths }) =>
		paths.some((path) => !path.active),
	);
}
