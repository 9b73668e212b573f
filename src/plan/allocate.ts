/**
 * Stable small numbers for names, as plain JSON in and out. A number whose name
 * is gone waits in quarantine: packets, flows or draining paths may still
 * carry it.
 */

/** Numbers given to names, and those that were. */
export interface Pool {
	readonly used: Readonly<Record<string, number>>;
	/** Every number below has been given once. */
	readonly next: number;
	/** [number, revision in which its name went]. */
	readonly freed: readonly (readonly [number, number])[];
}

/** What the planner keeps from plan to plan. Plain JSON. */
export interface Memory {
	/** Of the newest plan; 0: none yet. */
	readonly revision: number;
	readonly tenants: Pool;
	readonly nodes: Pool;
	readonly policies: Pool;
	/** Paths by their identity, one entry a direction. */
	readonly spis: Pool;
	/** Ports by node. */
	readonly ports: Readonly<Record<string, Pool>>;
	/** What each rule set held, by node, tenant and side. */
	readonly ruleSets: Readonly<Record<string, RuleSetMemory>>;
	/** How functions in use are attached: it cannot change under a running path. */
	readonly attached: Readonly<Record<string, string>>;
}

export interface RuleSetMemory {
	readonly digest: string;
	readonly generation: number;
}

const EMPTY: Pool = { used: {}, next: 1, freed: [] };

export const NO_MEMORY: Memory = {
	revision: 0,
	tenants: EMPTY,
	nodes: EMPTY,
	policies: EMPTY,
	spis: EMPTY,
	ports: {},
	ruleSets: {},
	attached: {},
};

/** Revisions a freed number rests before another name may get it. */
export const QUARANTINE = 12;

/** Nothing is left to give; the message says what would help. */
export class Exhausted extends Error {}

/** Gives numbers during one plan: what is not asked for again is freed. */
export class Allocator {
	readonly #old: Pool;
	readonly #used = new Map<string, number>();
	readonly #rested: number[];
	#next: number;

	/**
	 * @param what for messages, for example `service paths`
	 * @param last largest number that may be given
	 * @param revision of the plan that is being made
	 * @param busy numbers that are known to be in use still, however old
	 */
	constructor(
		private readonly what: string,
		private readonly last: number,
		pool: Pool | undefined,
		private readonly revision: number,
		private readonly busy: ReadonlySet<number> = new Set(),
	) {
		this.#old = pool ?? EMPTY;
		this.#next = this.#old.next;
		this.#rested = this.#old.freed
			.filter(([id, since]) => this.#hasRested(id, since))
			.map(([id]) => id)
			.sort((a, b) => b - a);
	}

	/** The name's number: its old one where it has one, else the lowest free. */
	take(name: string): number {
		const known = this.#used.get(name) ?? this.#old.used[name];
		const id = known ?? this.#rested.pop() ?? this.#next;
		if (id > this.last) {
			throw new Exhausted(
				`${this.what}: all ${this.last} are in use or resting (remove some, and try again after a few changes)`,
			);
		}
		if (id === this.#next) {
			this.#next++;
		}
		this.#used.set(name, id);
		return id;
	}

	/** The pool for the next plan. */
	finish(): Pool {
		const taken = new Set(this.#used.values());
		const gone = Object.entries(this.#old.used)
			.filter(([name]) => !this.#used.has(name))
			.map(([, id]) => [id, this.revision] as const);
		const freed = this.#old.freed.filter(([id]) => !taken.has(id));
		return {
			used: Object.fromEntries(this.#used),
			next: this.#next,
			freed: [...freed, ...gone],
		};
	}

	#hasRested(id: number, since: number): boolean {
		return this.revision - since >= QUARANTINE && !this.busy.has(id);
	}
}
