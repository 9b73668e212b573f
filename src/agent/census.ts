/**
 * How full the service state list is. The kernel does not say: it is counted now
 * and then, without looking into entries, in parts between other work.
 */
import type { BpfMap } from "../kernel/map.js";
import type { NodeCounters } from "../plan/protocol.js";
import { turns } from "./pick.js";
import type { Reads } from "./reads.js";

/** A million entries take about a tenth of a second of one processor. */
const EVERY_MS = 30_000;

export class Census {
	readonly #map: Pick<BpfMap<unknown, unknown>, "counts" | "capacity">;
	readonly #reads: Reads;
	#newest: NodeCounters["states"];
	#nextMs = 0;

	constructor(
		map: Pick<BpfMap<unknown, unknown>, "counts" | "capacity">,
		reads: Reads,
	) {
		this.#map = map;
		this.#reads = reads;
		this.#newest = { entries: 0, capacity: map.capacity };
	}

	/** As counted last, up to 30 s ago; 0 entries before the first count. */
	get newest(): NodeCounters["states"] {
		return this.#newest;
	}

	/** Begins to count where it is time, `nowMs` being of any steady clock. */
	look(nowMs: number): void {
		if (nowMs < this.#nextMs) return;
		this.#nextMs = nowMs + EVERY_MS;
		/* Where too much is asked already, the next look counts. */
		this.#reads
			.next(() => this.#count())
			.catch(() => {
				this.#nextMs = 0;
			});
	}

	async #count(): Promise<void> {
		let entries = 0;
		const turn = turns(1);
		for (const part of this.#map.counts()) {
			entries += part;
			const rest = turn();
			if (rest) await rest;
		}
		this.#newest = { ...this.#newest, entries };
	}
}
