/** When each of many machines wants to act next, and which are due: a heap. */

interface Deadline<K> {
	readonly key: K;
	readonly atMs: number;
}

export class Deadlines<K> {
	/** Each is due no later than its two children at 2i + 1 and 2i + 2. */
	readonly #heap: Deadline<K>[] = [];
	/** What counts; others in the heap are out of date. */
	readonly #current = new Map<K, number>();

	/** Infinity: never by itself. */
	set(key: K, atMs: number): void {
		if (this.#current.get(key) === atMs) return;
		this.#current.set(key, atMs);
		if (Number.isFinite(atMs)) this.#push({ key, atMs });
	}

	/** It wants nothing any more. */
	delete(key: K): void {
		this.#current.delete(key);
	}

	get nextMs(): number {
		this.#tidy();
		return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
	}

	/** Keys that are due; each has to be set anew. */
	takeDue(nowMs: number): K[] {
		const due: K[] = [];
		while (this.nextMs <= nowMs) {
			const first = this.#pop();
			if (!first) break;
			this.#current.delete(first.key);
			due.push(first.key);
		}
		return due;
	}

	/** The first is one that counts. */
	#tidy(): void {
		for (let first = this.#heap[0]; first; first = this.#heap[0]) {
			if (this.#current.get(first.key) === first.atMs) return;
			this.#pop();
		}
	}

	#push(one: Deadline<K>): void {
		const heap = this.#heap;
		let at = heap.length;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			const above = heap[parent];
			if (!above || above.atMs <= one.atMs) break;
			heap[at] = above;
			at = parent;
		}
		heap[at] = one;
	}

	#pop(): Deadline<K> | undefined {
		const heap = this.#heap;
		const first = heap[0];
		const last = heap.pop();
		if (heap.length === 0 || !last) return first;
		let at = 0;
		while (true) {
			const left = heap[2 * at + 1];
			const right = heap[2 * at + 2];
			const isRight = left && right && right.atMs < left.atMs;
			const child = isRight ? right : left;
			if (!child || last.atMs <= child.atMs) break;
			heap[at] = child;
			at = 2 * at + (isRight ? 2 : 1);
		}
		heap[at] = last;
		return first;
	}
}
