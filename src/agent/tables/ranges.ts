/**
 * Contiguous ranges of an array map: hops of paths, masks of rule sets. Next
 * fit, so that what was given back is used again as late as possible: a packet
 * under way may still look at it.
 */
export class Ranges {
	readonly #capacity: number;
	readonly #what: string;
	/** Start → length, sorted by start. */
	#taken: { start: number; length: number }[] = [];
	#next: number;
	readonly #first: number;

	/** `first` keeps the indexes below it out of use. */
	constructor(what: string, capacity: number, first = 0) {
		this.#what = what;
		this.#capacity = capacity;
		this.#first = first;
		this.#next = first;
	}

	/** Marks what a former run left in use. Throws where it overlaps. */
	take(start: number, length: number): void {
		const at = this.#taken.findIndex((one) => one.start >= start);
		const index = at < 0 ? this.#taken.length : at;
		const before = this.#taken[index - 1];
		const after = this.#taken[index];
		if (
			(before && before.start + before.length > start) ||
			(after && start + length > after.start) ||
			start + length > this.#capacity
		)
			throw new Error(
				`${this.#what} ${start}+${length}: overlaps another range (the maps are damaged: run the agent once with --purge, then start it again)`,
			);
		this.#taken.splice(index, 0, { start, length });
	}

	/** Start of a free range. Throws where there is no room. */
	allocate(length: number): number {
		const start =
			this.#find(this.#next, length) ?? this.#find(this.#first, length);
		if (start === undefined)
			throw new Error(
				`${this.#what}: no ${length} in a row are free of ${this.#capacity} (load the maps with more entries)`,
			);
		this.take(start, length);
		this.#next = start + length;
		return start;
	}

	free(start: number): void {
		const index = this.#taken.findIndex((one) => one.start === start);
		if (index >= 0) this.#taken.splice(index, 1);
	}

	#find(from: number, length: number): number | undefined {
		let start = from;
		for (const one of this.#taken) {
			if (one.start + one.length <= start) continue;
			if (one.start >= start + length) break;
			start = one.start + one.length;
		}
		return start + length <= this.#capacity ? start : undefined;
	}
}
