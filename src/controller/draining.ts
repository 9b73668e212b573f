/**
 * When old paths are done: no packet used them for a while, by what nodes
 * report, or they have been draining for as long as they may.
 */
import type { NodeStatus } from "../plan/protocol.js";
import type { States } from "../plan/transition.js";
import type { Fleet } from "./fleet.js";
import type { Progress } from "./progress.js";

export interface DrainOptions {
	/** A path is drained when no packet used it for so long … */
	readonly drainIdleMs: number;
	/** … or when it has been draining for so long. */
	readonly drainMaxMs: number;
	/** The same two for paths whose flows stay by policy (`onChange: keep`). */
	readonly keepIdleMs: number;
	readonly keepMaxMs: number;
}

export interface Draining {
	/**
	 * Resolves with inactive paths that are drained, undefined when aborted. All
	 * are waited for but those in `kept`: each of them ends by itself. Those in
	 * `lost` are drained at once: nothing gets on there, and may elsewhere.
	 */
	drained(
		kept: ReadonlySet<number>,
		lost: ReadonlySet<number>,
		signal: AbortSignal,
	): Promise<ReadonlySet<number> | undefined>;
	/** What the node says of its paths; undefined: it starts anew. */
	status(node: string, status: NodeStatus | undefined): void;
}

/** A path where it runs, in one of its directions. */
interface Place {
	readonly node: string;
	readonly spi: number;
}

/** Longest that a timer can wait. */
const LONGEST_MS = 0x7fff_ffff;

/** @param desired what was last sent to each node, as it is at any time */
export function createDraining(
	desired: States,
	fleet: Pick<Fleet, "isConnected">,
	progress: Progress,
	options: DrainOptions,
): Draining {
	const statuses = new Map<string, NodeStatus>();
	/** Since when each inactive pair has been one, by the lower of its numbers. */
	const sinceMs = new Map<number, number>();

	function isIdle({ node, spi }: Place, idleMs: number): boolean {
		const status = statuses.get(node);
		const state = desired.get(node);
		if (!status || !state || status.revision < state.revision) return false;
		const path = status.idlePaths.find((idle) => idle.spi === spi);
		return path !== undefined && path.idleMs >= idleMs;
	}

	/** The inactive pairs; keeps account of how long each has been one. */
	function drainingPairs(): ReadonlyMap<number, readonly Place[]> {
		const pairs = pairsOf(desired);
		for (const first of sinceMs.keys()) {
			if (!pairs.has(first)) sinceMs.delete(first);
		}
		for (const first of pairs.keys()) {
			if (!sinceMs.has(first)) sinceMs.set(first, performance.now());
		}
		return pairs;
	}

	return {
		async drained(kept, lost, signal) {
			const pairs = [...drainingPairs()].map(([first, places]) => {
				const isLost = places.some(({ spi }) => lost.has(spi));
				const isKept = places.every(({ spi }) => kept.has(spi));
				const [idleMs, maxMs] = isKept
					? [options.keepIdleMs, options.keepMaxMs]
					: [options.drainIdleMs, options.drainMaxMs];
				const endMs = (sinceMs.get(first) ?? 0) + maxMs;
				/* A node without its agent may still forward what is to be kept. */
				const isDrained = () =>
					isLost ||
					performance.now() >= endMs ||
					places.every((place) =>
						fleet.isConnected(place.node) ? isIdle(place, idleMs) : !isKept,
					);
				return { places, isKept, isLost, isDrained };
			});
			const plain = pairs.filter(({ isKept }) => !isKept);
			const mayGoOn = () =>
				pairs.some(({ isLost }) => isLost) ||
				plain.length > 0 ||
				pairs.length === 0
					? plain.every(({ isDrained }) => isDrained())
					: pairs.some(({ isDrained }) => isDrained());
			await progress.until(mayGoOn, LONGEST_MS, signal);
			if (signal.aborted || progress.isClosed) return undefined;
			return new Set(
				pairs
					.filter(({ isDrained }) => isDrained())
					.flatMap(({ places }) => places.map(({ spi }) => spi)),
			);
		},

		status(node, status) {
			if (status) statuses.set(node, status);
			else statuses.delete(node);
			progress.notify();
		},
	};
}

/** Directions of one path drain together: by the lower of their numbers. */
function pairsOf(states: States): Map<number, Place[]> {
	const pairs = new Map<number, Place[]>();
	for (const { node, paths } of states.values()) {
		for (const { spi, reverseSpi, active } of paths) {
			if (active) continue;
			const first = Math.min(spi, reverseSpi);
			const places = pairs.get(first) ?? [];
			pairs.set(first, places);
			places.push({ node, spi });
		}
	}
	return pairs;
}
