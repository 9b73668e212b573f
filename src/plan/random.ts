/** Choices from a seed, for tests that any machine can run again. */

/** A small generator (mulberry32): the same seed gives the same run anywhere. */
export class Random {
	constructor(private state: number) {}

	/** 0 to below `limit`. */
	below(limit: number): number {
		this.state = (this.state + 0x6d2b79f5) | 0;
		let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % limit;
	}

	chance(percent: number): boolean {
		return this.below(100) < percent;
	}

	pick<T>(list: readonly T[]): T {
		const picked = list[this.below(list.length)];
		if (picked === undefined) {
			throw new Error("random: nothing to pick from");
		}
		return picked;
	}

	/** Some of the list, at least one, in its order or shuffled. */
	some<T>(list: readonly T[]): T[] {
		const keys = list.map((entry) => ({ entry, key: this.below(1 << 20) }));
		keys.sort((a, b) => a.key - b.key);
		return keys.slice(0, 1 + this.below(list.length)).map(({ entry }) => entry);
	}
}
