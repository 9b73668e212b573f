/**
 * Stable small numbers for names, as plain JSON in and out. Numbers go round:
 * one whose name is gone comes again last of all, and never while it rests,
 * since packets, flows or draining paths may still carry it.
 */

/** Names with their numbers. */
type Names = Readonly<Record<string, number>>;

/** Numbers given to names, and those that were. */
export interface Pool {
	/** By group, then by name; the same name may stand in several groups. */
	readonly used: Readonly<Record<string, Names>>;
	/** Every number below has been given once. */
	readonly next: number;
	/**
	 * [number, revision in which its name went, the name if it may come back],
	 * the oldest first.
	 */
	readonly freed: readonly (readonly [number, number, string?])[];
}

/** What the planner keeps from plan to plan. Plain JSON. */
export interface Memory {
	/** Of the newest plan; 0: none yet. */
	readonly revision: number;
	readonly tenants: Pool;
	readonly nodes: Pool;
	readonly policies: Pool;
	/** Path pairs by their way and policy; pair n has SPIs 2n-1 and 2n. */
	readonly pairs: Pool;
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
	pairs: EMPTY,
	ports: {},
	ruleSets: {},
	attached: {},
};

/** Revisions a freed number rests at least before another name may get it. */
export const QUARANTINE = 12;
/**
 * Freed numbers that are remembered. Of more the oldest are never given again:
 * only a space much larger than that ever has so many.
 */
const MAX_FREED = 65_536;

/** Names as maps: much faster to look up than the JSON they also are. */
const maps = new WeakMap<Names, ReadonlyMap<string, number>>();

function mapOf(names: Names): ReadonlyMap<string, number> {
	const map = maps.get(names) ?? new Map(Object.entries(names));
	maps.set(names, map);
	return map;
}

interface Group {
	readonly before: ReadonlyMap<string, number>;
	readonly now: Map<string, number>;
	/** Names that were not there before. */
	fresh: number;
}

/** Gives numbers during one plan: what is not asked for again is freed. */
export class Allocator {
	readonly #old: Pool;
	readonly #groups = new Map<string, Group>();
	/** Numbers that have rested, the oldest last. */
	readonly #rested: number[];
	/** Numbers that rest, by the names that may have them back. */
	readonly #returning: ReadonlyMap<string, number>;
	/** Those that were. */
	readonly #returned = new Set<number>();
	#next: number;

	/**
	 * @param what for messages, for example `service paths`
	 * @param last largest number that may be given
	 * @param revision of the plan that is being made
	 * @param busy numbers that are known to be in use still, however old
	 * @param remembers freed names, so that takeBack works
	 */
	constructor(
		private readonly what: string,
		private readonly last: number,
		pool: Pool | undefined,
		private readonly revision: number,
		private readonly busy: ReadonlySet<number> = new Set(),
		private readonly remembers = false,
	) {
		this.#old = pool ?? EMPTY;
		this.#returning = new Map(
			this.#old.freed.flatMap(([id, since, name]) =>
				name === undefined || this.#hasRested(id, since) ? [] : [[name, id]],
			),
		);
		this.#next = this.#old.next;
		this.#rested = this.#old.freed
			.filter(([id, since]) => this.#hasRested(id, since))
			.map(([id]) => id)
			.reverse();
	}

	/**
	 * The name's number: its old one where it has one, else one that was never
	 * given, else the one that was freed first. Throws where none is left.
	 */
	take(name: string, group = ""): number {
		const { before, now } = this.#group(group);
		const known = before.get(name) ?? now.get(name);
		if (known !== undefined) {
			now.set(name, known);
			return known;
		}
		const isUnused = this.#next <= this.last;
		const id = isUnused ? this.#next : (this.#rested.pop() ?? this.#next);
		return this.#give(name, group, id);
	}

	/**
	 * Like take, for what is still the same thing when its name comes back: as
	 * long as its number rests, it gets that one.
	 */
	takeBack(name: string): number {
		const { before, now } = this.#group("");
		const id = this.#returning.get(name);
		if (id === undefined || before.has(name) || now.has(name)) {
			return this.take(name);
		}
		this.#returned.add(id);
		return this.#give(name, "", id);
	}

	#give(name: string, group: string, id: number): number {
		if (id > this.last) {
			throw new Error(
				`${this.what}: all ${this.last} are in use or resting (remove some, and try again after a few changes)`,
			);
		}
		if (id === this.#next) {
			this.#next++;
		}
		const of = this.#group(group);
		of.now.set(name, id);
		of.fresh++;
		return id;
	}

	/** The pool for the next plan. */
	finish(): Pool {
		const used: Record<string, Names> = {};
		const gone: (readonly [number, number, string?])[] = [];
		for (const name of Object.keys(this.#old.used)) {
			this.#group(name);
		}
		for (const [name, group] of this.#groups) {
			const left = group.before.size + group.fresh - group.now.size;
			if (left === 0 && group.fresh === 0) {
				used[name] = this.#old.used[name] ?? {};
				continue;
			}
			for (const [member, id] of left > 0 ? group.before : []) {
				if (!group.now.has(member)) {
					gone.push(
						this.remembers ? [id, this.revision, member] : [id, this.revision],
					);
				}
			}
			if (group.now.size > 0) {
				const names = Object.fromEntries(group.now);
				maps.set(names, group.now);
				used[name] = names;
			}
		}
		const resting = new Set(this.#rested);
		const freed = this.#old.freed.flatMap((one) => {
			const [id, since] = one;
			if (this.#returned.has(id)) return [];
			if (!this.#hasRested(id, since)) return [one];
			return resting.has(id) ? [[id, since] as const] : [];
		});
		return {
			used,
			next: this.#next,
			freed: [...freed, ...gone].slice(-MAX_FREED),
		};
	}

	#group(name: string): Group {
		const known = this.#groups.get(name);
		if (known) {
			return known;
		}
		const before = mapOf(this.#old.used[name] ?? NONE);
		const group = { before, now: new Map<string, number>(), fresh: 0 };
		this.#groups.set(name, group);
		return group;
	}

	#hasRested(id: number, since: number): boolean {
		return this.revision - since >= QUARANTINE && !this.busy.has(id);
	}
}

const NONE: Names = {};
