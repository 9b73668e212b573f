/**
 * One piece of work after the other, in the order they were asked for. Work
 * that only waits is told when newer work does, and makes way.
 */
import { Fault } from "./fault.js";

export interface Turns {
	/**
	 * Runs it after all that was asked for before. `newer` is aborted once
	 * something else waits. Throws what it throws, Fault shutting_down when
	 * closed.
	 */
	take<T>(work: (newer: AbortSignal) => Promise<T>): Promise<T>;
	readonly isClosed: boolean;
	/** What waits will not run; resolves when what runs has ended. */
	close(): Promise<void>;
}

/** @param onIdle called whenever a piece ends and nothing waits behind it */
export function createTurns(onIdle: () => void): Turns {
	let last: Promise<unknown> = Promise.resolve();
	let waiting = 0;
	let newer = new AbortController();
	let closed = false;

	return {
		take(work) {
			waiting++;
			newer.abort();
			const result = last.then(() => {
				waiting--;
				if (closed) {
					throw new Fault("shutting_down", "change: controller stops");
				}
				newer = new AbortController();
				if (waiting > 0) newer.abort();
				return work(newer.signal);
			});
			last = result
				.catch(() => {})
				.then(() => {
					if (waiting === 0 && !closed) onIdle();
				});
			return result;
		},
		get isClosed() {
			return closed;
		},
		async close() {
			closed = true;
			newer.abort();
			await last;
		},
	};
}
