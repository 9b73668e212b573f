/**
 * What changes the network, one after the other: requests, instances that go
 * down or come back, and what an earlier controller left to do. Between them
 * old paths drain.
 */
import type { Intent } from "../model/intent.js";
import type { Delivery } from "./delivery.js";
import type { Draining } from "./draining.js";
import type { EventLog } from "./events.js";
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
	 * Fault unplannable, invariant_violated, node_refused, node_unreachable:
	 * then the intent is what it was.
	 */
	change(
		make: (intent: Intent) => Promise<Revision | undefined>,
		timeoutMs: number,
	): Promise<Applied>;
	/** Plans without sending; throws as planning in `change` does. */
	check(intent: Intent): Target;
	/** An instance (`function/instance`) is down or up again. */
	health(instance: string, isDown: boolean): void;
	/** Work ends where it is, to be resumed at the next start. */
	close(): Promise<void>;
}

/** @param joined nodes that may come back after a start */
export async function openReconciler(
	store: Store,
	delivery: Delivery,
	draining: Draining,
	log: EventLog,
	joined: readonly string[],
): Promise<Reconciler> {
	const rollOut = await openRollOut(store, delivery, draining, log);
	const { steps } = rollOut;
	const down = new Set(rollOut.down);
	let isReplanAsked = false;

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
				message: `replanned; instances down: ${names}`,
				who: "controller",
			};
			await rollOut.carryOut(wanted, [...down]);
		});
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
				return rollOut.carryOut(revision, [...down], timeoutMs);
			}),
		check: (next) => rollOut.plan(next, down),
		health(instance, isDown) {
			if (down.has(instance) === isDown) return;
			if (isDown) down.add(instance);
			else down.delete(instance);
			replan();
		},
		close: () => turns.close(),
	};
}
