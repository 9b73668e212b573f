/**
 * Waiting for what agents say: until something holds, for a time, until it is
 * called off, or until the controller ends.
 */
export interface Progress {
	/** Something may have changed for a waiter. */
	notify(): void;
	/** Calls back at each of these; returns the way to stop. */
	follow(listener: () => void): () => void;
	/** Whether it holds in time; false when called off or closed. */
	until(
		holds: () => boolean,
		timeoutMs: number,
		signal?: AbortSignal,
	): Promise<boolean>;
	readonly isClosed: boolean;
	/** Aborted then. */
	readonly closed: AbortSignal;
	/** Ends all waiting, now and from then on. */
	close(): void;
}

/** @param pollMs graces and deadlines end without a message: looked at so often */
export function createProgress(pollMs: number): Progress {
	const listeners = new Set<() => void>();
	const closing = new AbortController();
	const { signal: closed } = closing;

	const follow = (listener: () => void) => {
		listeners.add(listener);
		return () => listeners.delete(listener);
	};

	return {
		notify() {
			for (const listener of [...listeners]) listener();
		},
		follow,
		until(holds, timeoutMs, signal) {
			return new Promise((resolve) => {
				const finish = (result: boolean) => {
					clearTimeout(deadline);
					clearInterval(poll);
					unfollow();
					signal?.removeEventListener("abort", abort);
					closed.removeEventListener("abort", abort);
					resolve(result);
				};
				const check = () => {
					if (holds()) finish(true);
				};
				const abort = () => finish(false);
				const deadline = setTimeout(abort, timeoutMs);
				const poll = setInterval(check, pollMs);
				const unfollow = follow(check);
				signal?.addEventListener("abort", abort);
				closed.addEventListener("abort", abort);
				if (signal?.aborted || closed.aborted) abort();
				else check();
			});
		},
		get isClosed() {
			return closed.aborted;
		},
		closed,
		close: () => closing.abort(),
	};
}
