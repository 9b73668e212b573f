/** Questions about large tables, which take a while: one after the other, not too many. */

/** Each may take seconds. */
const WAITING_MAX = 16;

export class Reads {
	#last: Promise<unknown> = Promise.resolve();
	#waiting = 0;

	/** Rejects where too many wait already. */
	next<T>(read: () => Promise<T>): Promise<T> {
		if (this.#waiting >= WAITING_MAX)
			return Promise.reject(
				new Error(
					`read tables: ${WAITING_MAX} questions wait already (ask again in a moment)`,
				),
			);
		this.#waiting++;
		const done = this.#last.then(read).finally(() => {
			this.#waiting--;
		});
		this.#last = done.catch(() => {});
		return done;
	}

	/** Resolves when no table is read any more, and none will be. */
	async end(): Promise<void> {
		this.#waiting = Number.POSITIVE_INFINITY;
		await this.#last;
	}
}
