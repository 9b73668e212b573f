/** Paths of the plan before: a path that is still the same is not laid again. */
import type { PathPlan, PathSummary } from "./path.js";
import type { PathState } from "./state.js";

/** A path pair as it was laid. */
export interface Laid {
	readonly path: PathPlan;
	readonly views: ReadonlyMap<string, readonly PathState[]>;
	readonly summary: PathSummary;
}

/** Laid paths by lane and flow class. */
type Lanes = Map<string, Map<string, Laid>>;

export class PathCache {
	#fresh: Lanes = new Map();
	#stale: Lanes = new Map();
	#nodes = "";

	/** @param nodes names and numbers of the nodes: hops name them by number */
	begin(nodes: string): void {
		this.#stale = nodes === this.#nodes ? this.#fresh : new Map();
		this.#fresh = new Map();
		this.#nodes = nodes;
	}

	/** What the plan before laid, and where this one notes what it lays. */
	lane(key: string) {
		const before = this.#stale.get(key) ?? new Map<string, Laid>();
		const now = this.#fresh.get(key) ?? new Map<string, Laid>();
		this.#fresh.set(key, now);
		return { before, now };
	}
}
