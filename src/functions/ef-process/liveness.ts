/**
 * Which nodes' EFs are silent, of those that share a sealed hop with this one. One
 * that was never heard may still be starting: it gets some time.
 */
import type { ReportedPeer } from "./report.js";

export const BEAT_MS = 10;
const START_MS = 3000;

interface Peer {
	heard: boolean;
	alive: boolean;
	readonly sinceMs: number;
}

export class Liveness {
	readonly #peers = new Map<number, Peer>();

	/** Whether these are others than before. */
	expect(nodeIds: readonly number[], nowMs: number): boolean {
		const wanted = new Set(nodeIds);
		let isOther = false;
		for (const id of this.#peers.keys())
			if (!wanted.has(id)) isOther = this.#peers.delete(id);
		for (const id of wanted) {
			if (this.#peers.has(id)) continue;
			this.#peers.set(id, { heard: false, alive: false, sinceMs: nowMs });
			isOther = true;
		}
		return isOther;
	}

	/** As the engine says. */
	change(nodeId: number, alive: boolean): void {
		const peer = this.#peers.get(nodeId);
		if (!peer) return;
		peer.alive = alive;
		peer.heard ||= alive;
	}

	report(nowMs: number): ReportedPeer[] {
		return [...this.#peers].map(([nodeId, { heard, alive, sinceMs }]) => ({
			nodeId,
			alive: alive || (!heard && nowMs - sinceMs < START_MS),
		}));
	}
}
