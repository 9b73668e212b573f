/**
 * What changes the network, one after the other: requests, instances that go
 * down or come back, and what an earlier controller left to do. Between them
 * old paths drain.
 */
import type { Intent } from "../model/intent.js";
import type { Keying } from "./auc/keying.js";
import type { Delivery } from "./delivery.js";
import type { Draining } from "./draining.js";
import type { EventLog } from "./events.js";
import { Fault } from "./fault.js";
import type { Target } from "./planning.js";
import { type Applied, openRollOut, type Revision } from "./rollout.js";
import type { Phase } from "./steps.js";
import type { Store } from "./store/store.js";
import { createTurns } from "./turns.js";

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
	 * Fault unplannable, quota_exceeded, invariant_violated, node_refused,
	 * node_unreachable, keys_missing, keys_unavailable: then the intent is what
	 * it was.
	 */
	change(
		make: (intent: Intent) => Promise<Revision | undefined>,
		timeoutMs: number,
	): Promise<Applied>;
	/** Plans without sending; throws as planning in `change` does. */
	check(intent: Intent): Target;
	/** An instance (`function/instance`) or a node is down or up again. */
	health(name: string, isDown: boolean): void;
	/** Instances that get no new flows, while others can serve. */
	readonly leaving: ReadonlySet<string>;
	/**
	 * Has an instance (`function/instance`) get no new flows any more, or some
	 * again; those that run stay on it. Throws as `change`, Fault not_found, and
	 * Fault nobody_else where no other instance could take its flows.
	 */
	leave(instance: string, isLeft: boolean, who: string): Promise<Applied>;
	/** Work ends where it is, to be resumed at the next start. */
	close(): Promise<void>;
}

/**
 * @param joined nodes that may come back after a start
 * @param holdDownMs an instance must be up for so long before it gets flows again
 */
export async function openReconciler(
	store: Store,
	delivery: Delivery,
	draining: Draining,
	keying: Keying,
	log: EventLog,
	joined: readonly string[],
	holdDownMs: number,
): Promise<Reconciler> {
	const rollOut = await openRollOut(store, delivery, draining, keying, log);
	const { steps } = rollOut;
	const down = new Set(rollOut.without.down);
	/** Those of them that are up again, for how long remains to be seen. */
	const returning = new Map<string, NodeJS.Timeout>();
	let isReplanAsked = false;
	const without = (leaving = rollOut.without.leaving) => ({
		down: [...down],
		leaving,
	});

	const turns = createTurns(() => {
		steps.phase = "idle";
		if (rollOut.isUnsettled) background("settle", rollOut.settle);
	});

	function background(
		what: string,
		work: (newer: AbortSignal) => Promise<void>,
	): void {
		turns.take(work).catch((error) => {
			if (turns.isClosed) return;
			steps.lastError = error instanceof Error ? error.message : String(error);
			log.add({ kind: "error", message: `${what}: ${steps.lastError}` });
		});
	}

	/** One for all instances that change until its turn has come. */
	function replan(): void {
		if (isReplanAsked) return;
		isReplanAsked = true;
		background("replan", async () => {
			isReplanAsked = false;
			const names = [...down].sort().join(", ") || "none";
			const wanted = {
				intent: rollOut.intent,
				writes: [],
				message: `replanned; down: ${names}`,
				who: "controller",
			};
			await rollOut.carryOut(wanted, without());
		});
	}

	function isUp(instance: string): void {
		returning.delete(instance);
		if (down.delete(instance)) replan();
	}

	/** Whether another instance of its function could serve; a node comes back slowly. */
	function hasOthers(instance: string): boolean {
		const [name = "", own] = instance.split("/");
		if (own === undefined) return true;
		const { leaving } = rollOut.without;
		return (rollOut.intent.functions.get(name)?.spec.instances ?? [])
			.map((one) => `${name}/${one.name}`)
			.some(
				(one) => one !== instance && !down.has(one) && !leaving.includes(one),
			);
	}

	function checkLeave(instance: string, isLeft: boolean): void {
		const [name = "", own] = instance.split("/");
		const spec = rollOut.intent.functions.get(name)?.spec;
		if (!spec?.instances.some((one) => one.name === own)) {
			throw new Fault(
				"not_found",
				`instance ${instance}: there is none of that name (list them with \`chainmail get functions\`)`,
			);
		}
		if (isLeft && !hasOthers(instance)) {
			throw new Fault(
				"nobody_else",
				`drain ${instance}: no other instance of ${name} could take its flows (declare one, or see why others are down)`,
			);
		}
	}

	background("resume", async (newer) => {
		// Agents first get the chance to come back.
		await delivery.present(joined.filter((n) => delivery.desired.has(n)));
		if (!(await rollOut.resume())) await rollOut.settle(newer);
	});

	return {
		get intent() {
			return rollOut.intent;
		},
		get phase() {
			return steps.phase;
		},
		get lastError() {
			return steps.lastError;
		},
		refusals: steps.refusals,
		change: (make, timeoutMs) =>
			turns.take(async () => {
				const revision = await make(rollOut.intent);
				if (!revision) {
					return { revision: delivery.revision, pending: [], warnings: [] };
				}
				return rollOut.carryOut(revision, without(), timeoutMs);
			}),
		check: (next) => rollOut.plan(next, without()),
		health(instance, isDown) {
			if (isDown) {
				clearTimeout(returning.get(instance));
				returning.delete(instance);
				if (down.has(instance)) return;
				down.add(instance);
				replan();
			} else if (!down.has(instance) || returning.has(instance)) return;
			/* With nobody else to serve every moment counts. */ else if (
				!hasOthers(instance)
			)
				isUp(instance);
			else {
				const timer = setTimeout(() => isUp(instance), holdDownMs);
				returning.set(instance, timer);
			}
		},
		get leaving() {
			return new Set(rollOut.without.leaving);
		},
		leave: (instance, isLeft, who) =>
			turns.take(async () => {
				checkLeave(instance, isLeft);
				const others = rollOut.without.leaving.filter(
					(one) => one !== instance,
				);
				const wanted = {
					intent: rollOut.intent,
					writes: [],
					message: `instance ${instance} ${isLeft ? "gets no new flows" : "gets new flows again"}`,
					who,
				};
				return rollOut.carryOut(
					wanted,
					without(isLeft ? [...others, instance] : others),
				);
			}),
		close() {
			for (const timer of returning.values()) clearTimeout(timer);
			returning.clear();
			return turns.close();
		},
	};
}
