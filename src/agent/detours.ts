/**
 * What the node does by itself when the encryption functions of other nodes fall
 * silent, from the next packet on: paths that rely on such a node are left for
 * their backups, whose keys are there already.
 */
import type { NodeState, PathState } from "../plan/state.js";
import type { PathTables } from "./tables/paths.js";

/** So long must a node be heard, without a break, before paths go by it again. */
const HOLD_MS = 10_000;

export class Detours {
	readonly #paths: Pick<PathTables, "detour">;
	readonly #tell: (message: string) => void;
	readonly #nowMs: () => number;
	/** Nodes that are silent, each with when it was heard again. */
	readonly #silent = new Map<number, number | undefined>();
	#taken = "";

	constructor(
		paths: Pick<PathTables, "detour">,
		tell: (message: string) => void,
		nowMs = () => performance.now(),
	) {
		this.#paths = paths;
		this.#tell = tell;
		this.#nowMs = nowMs;
	}

	/**
	 * Call it whenever somebody falls silent or the state changes, and every now
	 * and then: coming back takes its time. `silent`: ids of nodes; undefined:
	 * nobody listens, and all stays as it is.
	 */
	review(state: NodeState, silent: readonly number[] | undefined): void {
		if (silent === undefined) return;
		this.#note(silent);
		const failed = state.paths.filter((path) => this.#isBroken(path, state));
		this.#paths.detour(new Set(failed.map(({ spi }) => spi)));
		this.#report(state, failed.length);
	}

	#note(silent: readonly number[]): void {
		const nowMs = this.#nowMs();
		for (const id of silent) this.#silent.set(id, undefined);
		for (const [id, heardMs = nowMs] of this.#silent) {
			if (silent.includes(id)) continue;
			if (nowMs - heardMs < HOLD_MS) this.#silent.set(id, heardMs);
			else this.#silent.delete(id);
		}
	}

	/** A backup that is broken, too, is no way out. */
	#isBroken(path: PathState, { paths }: NodeState): boolean {
		const { backup, relies = [] } = path;
		if (backup === undefined || !relies.some((id) => this.#silent.has(id)))
			return false;
		const other = paths.find(({ spi }) => spi === backup);
		return !other?.relies?.some((id) => this.#silent.has(id));
	}

	/** Tells when others are silent than before. */
	#report({ peers }: NodeState, paths: number): void {
		const names = [...this.#silent.keys()].map(
			(id) => peers.find(({ nodeId }) => nodeId === id)?.name ?? `${id}`,
		);
		const taken = names.sort().join(", ");
		if (taken === this.#taken) return;
		this.#taken = taken;
		this.#tell(
			taken === ""
				? "all nodes are heard again, paths go by them as before"
				: `nothing is heard of ${taken}: ${paths} paths take their backups`,
		);
	}
}
