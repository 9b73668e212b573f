/** Bounds a search by work and by time: what ends early says so. */

/** Work between two looks at the clock. */
const LOOK_EVERY = 256;

export class Budget {
	private readonly endMs: number;
	private unseen = 0;

	constructor(
		private left: number,
		forMs: number,
	) {
		this.endMs = performance.now() + forMs;
	}

	/** Takes from the budget; false once it or the time is used up. */
	spend(work: number): boolean {
		this.left -= work;
		this.unseen += work;
		if (this.unseen >= LOOK_EVERY) {
			this.unseen = 0;
			if (performance.now() > this.endMs) this.left = 0;
		}
		return this.left > 0;
	}

	get exhausted(): boolean {
		return this.left <= 0;
	}
}
