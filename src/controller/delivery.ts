/**
 * Brings states to nodes: stores each before it is sent and knows who has it. A
 * node that comes back gets its newest.
 */
import { isDeepStrictEqual } from "node:util";
import type { NodeState } from "../plan/state.js";
import type { States } from "../plan/transition.js";
import { Fault } from "./fault.js";
import type { Fleet } from "./fleet.js";
import type { Progress } from "./progress.js";
import type { Store, Write } from "./store/store.js";

export interface Outcome {
	/** Revision that was sent, or the last one where nothing differed. */
	readonly revision: number;
	readonly refused: readonly { node: string; reason: string }[];
	/** Connected, but silent until the time was over. */
	readonly missing: readonly string[];
}

export interface Delivery {
	/** What was last sent to each node. */
	readonly desired: States;
	readonly revision: number;
	/**
	 * Stores the states (with `alongside`, in one commit) and sends those that
	 * differ from what was sent before; ends at the first refusal, when all
	 * nodes of `states` have acknowledged, or after `timeoutMs`.
	 */
	send(
		states: States,
		alongside: readonly Write[],
		timeoutMs: number,
	): Promise<Outcome>;
	/** Forgets nodes that are not among these, once they said they are empty. */
	forget(kept: States): Promise<void>;
	/** Resolves when these nodes are connected, at the latest after reconnectMs. */
	present(nodes: readonly string[]): Promise<void>;
	/** Whether the node runs what it should. */
	isSettled(node: string): boolean;
	/** Calls back whenever something may have changed for a waiter. */
	onProgress(listener: () => void): () => void;
	hello(node: string, revision: number): void;
	acknowledged(node: string, revision: number): void;
	refused(node: string, revision: number, reason: string): void;
	gone(node: string): void;
	/** A node that is gone is not waited for: others know that it is dead. */
	giveUp(node: string): void;
}

const DESIRED = "desired/";
const REVISION = "revision";

/** @param reconnectMs how long a node is waited for that went away in a change */
export async function openDelivery(
	store: Store,
	fleet: Fleet,
	progress: Progress,
	reconnectMs: number,
): Promise<Delivery> {
	const desired = new Map<string, NodeState>();
	for (const { value } of await store.list(DESIRED)) {
		const state = value as NodeState;
		desired.set(state.node, state);
	}
	let revision = ((await store.get(REVISION))?.value as number) ?? 0;
	/** Newest revision each node said yes or no to since it connected. */
	const acknowledged = new Map<string, number>();
	const refusals = new Map<string, { revision: number; reason: string }>();
	const leftMs = new Map<string, number>();

	function isAwaited(node: string): boolean {
		if (fleet.isConnected(node)) return true;
		const left = leftMs.get(node);
		return left !== undefined && performance.now() - left < reconnectMs;
	}

	const hasAcknowledged = (state: NodeState) =>
		(acknowledged.get(state.node) ?? 0) >= state.revision;

	function refusalOf(state: NodeState) {
		const refusal = refusals.get(state.node);
		return refusal && refusal.revision >= state.revision ? refusal : undefined;
	}

	/** A node is ahead of us: our store is older than what it runs. */
	function overtake(state: NodeState | undefined, running: number): void {
		revision = running + 1;
		const writes: Write[] = [{ key: REVISION, value: revision }];
		if (!state) return void store.transact(writes).catch(() => {});
		const next = { ...state, revision };
		desired.set(next.node, next);
		store
			.transact([...writes, { key: DESIRED + next.node, value: next }])
			// A store that fails shows at the next change; the node stays as it is.
			.then(() => fleet.send(next))
			.catch(() => {});
	}

	return {
		desired,
		get revision() {
			return revision;
		},

		async send(states, alongside, timeoutMs) {
			// A node that refused before is told of, but holds up nobody else.
			const failing = new Set(
				[...desired.values()].filter(refusalOf).map((state) => state.node),
			);
			const changed = [...states.values()].filter((state) => {
				const last = desired.get(state.node);
				return !last || refusalOf(last) || !isSame(last, state);
			});
			const next = changed.length > 0 ? revision + 1 : revision;
			const sent = changed.map((state) => ({ ...state, revision: next }));
			const writes = sent.map((state) => ({
				key: DESIRED + state.node,
				value: state,
			}));
			if (writes.length + alongside.length > 0) {
				await store.transact([
					...alongside,
					...writes,
					{ key: REVISION, value: next },
				]);
			}
			revision = next;
			for (const state of sent) {
				desired.set(state.node, state);
				fleet.send(state);
			}
			// All, not only those just sent: after a restart some are yet to answer.
			const awaited = [...states.keys()].flatMap((n) => desired.get(n) ?? []);
			const refused = () =>
				awaited.flatMap((state) => {
					const refusal = refusalOf(state);
					return refusal && !failing.has(state.node)
						? [{ node: state.node, reason: refusal.reason }]
						: [];
				});
			const isDone = (state: NodeState) =>
				hasAcknowledged(state) ||
				!isAwaited(state.node) ||
				(failing.has(state.node) && refusalOf(state));
			await progress.until(
				() => refused().length > 0 || awaited.every(isDone),
				timeoutMs,
			);
			// Nobody's silence counts then: the change must not go on by itself.
			if (progress.isClosed) {
				throw new Fault("shutting_down", "change: controller stops");
			}
			return {
				revision: next,
				refused: refused(),
				missing: awaited
					.filter((s) => !hasAcknowledged(s) && fleet.isConnected(s.node))
					.filter((s) => !failing.has(s.node))
					.map((s) => s.node),
			};
		},

		async forget(kept) {
			const gone = [...desired.values()]
				.filter((state) => !kept.has(state.node) && hasAcknowledged(state))
				.map((state) => state.node);
			if (gone.length === 0) return;
			await store.transact(
				gone.map((node) => ({ key: DESIRED + node, value: undefined })),
			);
			for (const node of gone) desired.delete(node);
		},

		async present(nodes) {
			await progress.until(
				() => nodes.every((node) => fleet.isConnected(node)),
				reconnectMs,
			);
		},

		isSettled(node) {
			const state = desired.get(node);
			return state === undefined || hasAcknowledged(state);
		},

		onProgress: progress.follow,

		hello(node, running) {
			// What it had acknowledged may be gone with the node: ask again.
			acknowledged.delete(node);
			refusals.delete(node);
			leftMs.delete(node);
			const state = desired.get(node);
			if (state && running <= revision) fleet.send(state);
			else if (running > revision) overtake(state, running);
			progress.notify();
		},
		acknowledged(node, acked) {
			acknowledged.set(node, Math.max(acknowledged.get(node) ?? 0, acked));
			const refusal = refusals.get(node);
			if (refusal && refusal.revision <= acked) refusals.delete(node);
			progress.notify();
		},
		refused(node, refusedRevision, reason) {
			refusals.set(node, { revision: refusedRevision, reason });
			progress.notify();
		},
		gone(node) {
			leftMs.set(node, performance.now());
			progress.notify();
		},
		giveUp(node) {
			leftMs.delete(node);
			progress.notify();
		},
	};
}

function isSame(a: NodeState, b: NodeState): boolean {
	return isDeepStrictEqual({ ...a, revision: 0 }, { ...b, revision: 0 });
}
