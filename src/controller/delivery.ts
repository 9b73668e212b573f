/**
 * Brings states to nodes: stores each before it is sent, knows who has it, and
 * which old paths still carry packets. A node that comes back gets its newest.
 */
import { isDeepStrictEqual } from "node:util";
import type { NodeStatus } from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import type { States } from "../plan/transition.js";
import { Fault } from "./fault.js";
import type { Fleet } from "./fleet.js";
import type { Store, Write } from "./store/store.js";

export interface Outcome {
	/** Revision that was sent, or the last one where nothing differed. */
	readonly revision: number;
	readonly refused: readonly { node: string; reason: string }[];
	/** Connected, but silent until the time was over. */
	readonly missing: readonly string[];
}

export interface DeliveryOptions {
	/** Wait so long for a node that went away in the middle of a change. */
	readonly reconnectMs: number;
	/** A path is drained when no packet used it for so long … */
	readonly drainIdleMs: number;
	/** … or when it has been draining for so long. */
	readonly drainMaxMs: number;
	/** The same two for paths whose flows stay by policy (`onChange: keep`). */
	readonly keepIdleMs: number;
	readonly keepMaxMs: number;
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
	/**
	 * Resolves with inactive paths that are drained, undefined when aborted. All
	 * are waited for but those in `kept`: each of them ends by itself.
	 */
	drained(
		kept: ReadonlySet<number>,
		signal: AbortSignal,
	): Promise<ReadonlySet<number> | undefined>;
	/** Resolves when these nodes are connected, at the latest after reconnectMs. */
	present(nodes: readonly string[]): Promise<void>;
	/** Whether the node runs what it should. */
	isSettled(node: string): boolean;
	/** Calls back whenever something may have changed for a waiter. */
	onProgress(listener: () => void): () => void;
	hello(node: string, revision: number): void;
	acknowledged(node: string, revision: number): void;
	refused(node: string, revision: number, reason: string): void;
	status(node: string, status: NodeStatus): void;
	gone(node: string): void;
	/** Ends all waiting: `send` throws Fault shutting_down from then on. */
	close(): void;
}

const DESIRED = "desired/";
const REVISION = "revision";
/** Longest that a timer can wait. */
const LONGEST_MS = 0x7fff_ffff;

export async function openDelivery(
	store: Store,
	fleet: Fleet,
	options: DeliveryOptions,
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
	const statuses = new Map<string, NodeStatus>();
	const listeners = new Set<() => void>();
	const closing = new AbortController();

	const progress = () => {
		for (const listener of [...listeners]) listener();
	};

	/** Checks now, at every message of an agent, and when a deadline may have passed. */
	function until(
		done: () => boolean,
		timeoutMs: number,
		signal?: AbortSignal,
	): Promise<boolean> {
		return new Promise((resolve) => {
			const finish = (result: boolean) => {
				clearTimeout(deadline);
				clearInterval(poll);
				listeners.delete(check);
				signal?.removeEventListener("abort", abort);
				closing.signal.removeEventListener("abort", abort);
				resolve(result);
			};
			const check = () => {
				if (done()) finish(true);
			};
			const abort = () => finish(false);
			const deadline = setTimeout(abort, timeoutMs);
			// Graces of nodes that went away, and of paths, end without a message.
			const poll = setInterval(check, Math.max(10, options.reconnectMs / 4));
			listeners.add(check);
			signal?.addEventListener("abort", abort);
			closing.signal.addEventListener("abort", abort);
			if (signal?.aborted || closing.signal.aborted) abort();
			else check();
		});
	}

	function isAwaited(node: string): boolean {
		if (fleet.isConnected(node)) return true;
		const left = leftMs.get(node);
		return left !== undefined && Date.now() - left < options.reconnectMs;
	}

	const hasAcknowledged = (state: NodeState) =>
		(acknowledged.get(state.node) ?? 0) >= state.revision;

	function refusalOf(state: NodeState) {
		const refusal = refusals.get(state.node);
		return refusal && refusal.revision >= state.revision ? refusal : undefined;
	}

	function isIdle(node: string, spi: number, idleMs: number): boolean {
		const status = statuses.get(node);
		const state = desired.get(node);
		if (!status || !state || status.revision < state.revision) return false;
		const path = status.idlePaths.find((idle) => idle.spi === spi);
		return path !== undefined && path.idleMs >= idleMs;
	}

	/** Since when each inactive path has been one. */
	const drainingMs = new Map<number, number>();

	/** Directions of one path drain together: by the lower of their numbers. */
	function drainingPairs(): Map<number, { node: string; spi: number }[]> {
		const pairs = new Map<number, { node: string; spi: number }[]>();
		for (const { node, paths } of desired.values()) {
			for (const { spi, reverseSpi, active } of paths) {
				if (active) continue;
				const first = Math.min(spi, reverseSpi);
				const places = pairs.get(first) ?? [];
				pairs.set(first, places);
				places.push({ node, spi });
			}
		}
		for (const first of drainingMs.keys()) {
			if (!pairs.has(first)) drainingMs.delete(first);
		}
		for (const first of pairs.keys()) {
			if (!drainingMs.has(first)) drainingMs.set(first, Date.now());
		}
		return pairs;
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
			await until(
				() => refused().length > 0 || awaited.every(isDone),
				timeoutMs,
			);
			// Nobody's silence counts then: the change must not go on by itself.
			if (closing.signal.aborted) {
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

		async drained(kept, signal) {
			const pairs = [...drainingPairs()].map(([first, places]) => {
				const isKept = places.every(({ spi }) => kept.has(spi));
				const [idleMs, maxMs] = isKept
					? [options.keepIdleMs, options.keepMaxMs]
					: [options.drainIdleMs, options.drainMaxMs];
				const endMs = (drainingMs.get(first) ?? 0) + maxMs;
				/* A node without its agent may still forward what is to be kept. */
				const isDrained = () =>
					Date.now() >= endMs ||
					places.every(({ node, spi }) =>
						fleet.isConnected(node) ? isIdle(node, spi, idleMs) : !isKept,
					);
				return { places, isKept, isDrained };
			});
			const plain = pairs.filter(({ isKept }) => !isKept);
			const mayGoOn = () =>
				plain.length > 0 || pairs.length === 0
					? plain.every(({ isDrained }) => isDrained())
					: pairs.some(({ isDrained }) => isDrained());
			await until(mayGoOn, LONGEST_MS, signal);
			if (signal.aborted || closing.signal.aborted) return undefined;
			return new Set(
				pairs
					.filter(({ isDrained }) => isDrained())
					.flatMap(({ places }) => places.map(({ spi }) => spi)),
			);
		},

		async present(nodes) {
			await until(
				() => nodes.every((node) => fleet.isConnected(node)),
				options.reconnectMs,
			);
		},

		isSettled(node) {
			const state = desired.get(node);
			return state === undefined || hasAcknowledged(state);
		},

		onProgress(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},

		hello(node, running) {
			// What it had acknowledged may be gone with the node: ask again.
			acknowledged.delete(node);
			refusals.delete(node);
			statuses.delete(node);
			leftMs.delete(node);
			const state = desired.get(node);
			if (state && running <= revision) fleet.send(state);
			else if (running > revision) overtake(state, running);
			progress();
		},
		acknowledged(node, acked) {
			acknowledged.set(node, Math.max(acknowledged.get(node) ?? 0, acked));
			const refusal = refusals.get(node);
			if (refusal && refusal.revision <= acked) refusals.delete(node);
			progress();
		},
		refused(node, refusedRevision, reason) {
			refusals.set(node, { revision: refusedRevision, reason });
			progress();
		},
		status(node, status) {
			statuses.set(node, status);
			progress();
		},
		gone(node) {
			leftMs.set(node, Date.now());
			progress();
		},
		close: () => closing.abort(),
	};
}

function isSame(a: NodeState, b: NodeState): boolean {
	return isDeepStrictEqual({ ...a, revision: 0 }, { ...b, revision: 0 });
}
