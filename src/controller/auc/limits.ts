/** How much strangers may ask for: a few at once, and a few a second, each. */

export interface Rate {
	readonly perSecond: number;
	/** So many at once after a quiet time. */
	readonly burst: number;
}

/** Above it those that are quiet again are forgotten. */
const TIDY_AT = 4096;

/** Token buckets, one a key; what is asked of it is allowed or not. */
export class RateLimit {
	readonly #rate: Rate;
	readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

	constructor(rate: Rate) {
		this.#rate = rate;
	}

	allows(key: string, nowMs: number): boolean {
		const { perSecond, burst } = this.#rate;
		if (this.#buckets.size > TIDY_AT) this.#tidy(nowMs);
		const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
		const refilled = ((nowMs - bucket.atMs) / 1000) * perSecond;
		bucket.tokens = Math.min(burst, bucket.tokens + Math.max(0, refilled));
		bucket.atMs = nowMs;
		this.#buckets.set(key, bucket);
		if (bucket.tokens < 1) return false;
		bucket.tokens--;
		return true;
	}

	#tidy(nowMs: number): void {
		const { perSecond, burst } = this.#rate;
		const fullMs = (burst / perSecond) * 1000;
		for (const [key, { atMs }] of this.#buckets) {
			if (nowMs - atMs > fullMs) this.#buckets.delete(key);
		}
	}
}

/** How many of a key there are now. */
export class Tally {
	readonly #counts = new Map<string, number>();
	total = 0;

	of(key: string): number {
		return this.#counts.get(key) ?? 0;
	}

	/** Returns the way to take it back, which may be called again. */
	add(key: string): () => void {
		this.#counts.set(key, this.of(key) + 1);
		this.total++;
		let isThere = true;
		return () => {
			if (!isThere) return;
			isThere = false;
			this.total--;
			const left = this.of(key) - 1;
			if (left > 0) this.#counts.set(key, left);
			else this.#counts.delete(key);
		};
	}
}
