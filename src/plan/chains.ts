/** Which combinations of instances serve a chain now, and who gets which slot. */
import type { FunctionDocument, Intent } from "../model/intent.js";
import {
	type Candidate,
	type Combination,
	combine,
	nameOf,
} from "./combine.js";
import { maglev } from "./maglev.js";
import { MAX_FUNCTIONS } from "./path.js";

/** A chain that can be served: every packet takes one of its combinations. */
export interface Served {
	readonly functions: readonly FunctionDocument[];
	readonly combinations: readonly NamedCombination[];
	/** Index of the combination for each slot of the flow hash. */
	readonly slots: readonly number[];
}

export interface NamedCombination extends Combination {
	/** Identity: its instances with their nodes, and how they are attached. */
	readonly name: string;
}

/** Why it cannot be served. */
export interface Unserved {
	readonly severity: "error" | "warning";
	readonly cause: string;
}

/** Chooses once for every chain, so that a flow meets the same instances wherever it enters. */
export class Chains {
	readonly #known = new Map<string, Served | Unserved>();

	constructor(
		private readonly intent: Intent,
		private readonly excluded: ReadonlySet<string>,
	) {}

	serve(names: readonly string[]): Served | Unserved {
		const key = names.join(" ");
		const served = this.#known.get(key) ?? this.#choose(names);
		this.#known.set(key, served);
		return served;
	}

	#choose(names: readonly string[]): Served | Unserved {
		if (names.length > MAX_FUNCTIONS) {
			return error(
				`a chain of ${names.length} functions (at most ${MAX_FUNCTIONS})`,
			);
		}
		const functions: FunctionDocument[] = [];
		for (const name of names) {
			const found = this.intent.functions.get(name);
			if (!found) {
				return error(`function ${name} is not declared (declare it first)`);
			}
			if (functions.includes(found)) {
				return error(
					`function ${name} appears twice (declare a second function for it)`,
				);
			}
			functions.push(found);
		}
		const usable = functions.map((one) => this.#usable(one));
		const missing = functions.find((_, index) => usable[index]?.length === 0);
		if (missing) {
			return {
				severity: "warning",
				cause: `no instance of function ${missing.name} is up, its packets drop (see why with: chainmail get functions)`,
			};
		}
		const combinations = combine(usable).map((one) => ({
			...one,
			name: nameOf(one.members),
		}));
		const kinds = functions.map(
			(one) => `${one.spec.attach}${rewrites(one) ? "*" : ""}`,
		);
		return {
			functions,
			combinations: combinations.map((one) => ({
				...one,
				name: `${one.name} ${kinds.join()}`,
			})),
			slots: maglev(combinations),
		};
	}

	#usable({ name, spec }: FunctionDocument): Candidate[] {
		return spec.instances
			.filter((one) => this.intent.nodes.has(one.node))
			.filter((one) => !this.excluded.has(`${name}/${one.name}`))
			.map((one) => ({
				function: name,
				instance: one.name,
				node: one.node,
				weight: one.weight ?? 1,
			}));
	}
}

function error(cause: string): Unserved {
	return { severity: "error", cause };
}

/** Changes addresses or ports; a tap cannot. */
export function rewrites({ spec }: FunctionDocument): boolean {
	return spec.rewrites === true && spec.attach !== "tap";
}
