/** The newest audit records, numbered, for a controller that was away for a while. */
import type { AuditRecord } from "../../keys/audit.js";

export interface Trailed {
	/** Rises, also over restarts: it counts from the clock. */
	readonly id: number;
	readonly record: AuditRecord;
}

const KEPT = 1000;
const IDS_A_MS = 1000;

export class Trail {
	readonly #kept: Trailed[] = [];
	#nextId = Date.now() * IDS_A_MS;
	readonly #followers = new Set<(one: Trailed) => void>();

	add(record: AuditRecord): void {
		const one = { id: this.#nextId++, record };
		this.#kept.push(one);
		if (this.#kept.length > KEPT) this.#kept.shift();
		for (const follower of [...this.#followers]) follower(one);
	}

	/**
	 * Calls back with every record from now on, and at once with those after
	 * `afterId`, where one is named. Returns the way to stop.
	 */
	follow(follower: (one: Trailed) => void, afterId?: number): () => void {
		if (afterId !== undefined) {
			for (const one of this.#kept) if (one.id > afterId) follower(one);
		}
		this.#followers.add(follower);
		return () => this.#followers.delete(follower);
	}
}
