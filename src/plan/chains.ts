/** Which combinations of instances serve a chain now, and who gets which slot. */
import type { FunctionDocument, Intent } from "../model/intent.js";
import { type Spare, type StandIn, standIn } from "./backup.js";
import {
	type Candidate,
	type Combination,
	combine,
	nameOf,
} from "./combine.js";
import type { Leg } from "./lanes.js";
import { maglev } from "./maglev.js";
import { MAX_FUNCTIONS } from "./path.js";
import type { Health } from "./plan.js";

/** A chain that can be served: every packet takes one of its combinations. */
export interface Served {
	readonly functions: readonly FunctionDocument[];
	readonly combinations: readonly NamedCombination[];
	/** Index of the combination for each slot of the flow hash. */
	readonly slots: readonly number[];
	/** An instance of it is to be left: flows that run stay where they are. */
	readonly keeps: boolean;
	/** What it cannot do, and why. */
	readonly warnings: readonly string[];
}

export interface NamedCombination extends Combination {
	/** Identity: its instances with their nodes, and how they are attached. */
	readonly name: string;
}

/** A combination that stands in for another, and whom nobody stands in for. */
export interface Backup extends Pick<StandIn, "warnings"> {
	readonly combination?: NamedCombination;
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
		private readonly health: Pick<Health, "excluded" | "leaving" | "nodesDown">,
	) {}

	serve(names: readonly string[]): Served | Unserved {
		const key = names.join(" ");
		const served = this.#known.get(key) ?? this.#choose(names);
		this.#known.set(key, served);
		return served;
	}

	/** Who stands in for a combination while a node between the leg's ends is lost. */
	backup(
		{ functions }: Served,
		{ members, weight }: NamedCombination,
		leg: Pick<Leg, "ingress" | "egress">,
	): Backup {
		const bound = functions.find(
			(one) => rewrites(one) && one.spec.runtime === "external",
		);
		if (bound) {
			const cause = `external function ${bound.name} rewrites and has one pair of interfaces: nothing can stand in on it`;
			return { warnings: [cause] };
		}
		const spares = functions.map((one) => this.#spares(one));
		const found = standIn(leg, members, spares);
		if (!found.members) return found;
		const name = nameWith(found.members, functions);
		const combination = { members: found.members, weight, name };
		return { combination, warnings: found.warnings };
	}

	#spares({ name, spec }: FunctionDocument): Spare[] {
		return this.#up(name, spec)
			.filter((one) => !this.health.leaving?.has(`${name}/${one.name}`))
			.map((one) => ({
				...candidateOf(name, one),
				standby: one.standby === true,
			}));
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
		const missing = functions.find(
			(_, index) => usable[index]?.candidates.length === 0,
		);
		if (missing) {
			return {
				severity: "warning",
				cause: `no instance of function ${missing.name} is on a declared node, its packets drop (declare the node)`,
			};
		}
		const combinations = combine(
			usable.map(({ candidates }) => candidates),
		).map((one) => ({
			...one,
			name: nameOf(one.members),
		}));
		return {
			functions,
			combinations: combinations.map((one) => ({
				...one,
				name: nameWith(one.members, functions),
			})),
			slots: maglev(combinations),
			keeps: functions.some((one) => this.#isLeft(one)),
			warnings: functions
				.filter((_, index) => usable[index]?.isDown)
				.map(
					(one) =>
						`no instance of function ${one.name} is up, ${consequence(one)} (see why with: chainmail get functions)`,
				),
		};
	}

	/**
	 * Whoever can best serve: those that are up before standbys, before those that
	 * are to be left. With none up all: their nodes do what `onFailure` says, and
	 * go on at once when one is back.
	 */
	#usable({ name, spec }: FunctionDocument): Usable {
		const { leaving } = this.health;
		const all = spec.instances.filter((one) => this.intent.nodes.has(one.node));
		const up = this.#up(name, spec);
		const staying = up.filter((one) => !leaving?.has(`${name}/${one.name}`));
		const first = staying.filter(({ standby }) => !standby);
		const best = [first, staying, up].find((tier) => tier.length > 0);
		return {
			isDown: best === undefined,
			candidates: (best ?? all).map((one) => candidateOf(name, one)),
		};
	}

	#up(name: string, { instances }: FunctionDocument["spec"]): Instance[] {
		const { excluded, nodesDown } = this.health;
		return instances.filter(
			(one) =>
				this.intent.nodes.has(one.node) &&
				!nodesDown?.has(one.node) &&
				!excluded?.has(`${name}/${one.name}`),
		);
	}

	#isLeft({ name, spec }: FunctionDocument): boolean {
		return spec.instances.some((one) =>
			this.health.leaving?.has(`${name}/${one.name}`),
		);
	}
}

type Instance = FunctionDocument["spec"]["instances"][number];

function candidateOf(name: string, one: Instance): Candidate {
	const { name: instance, node, weight = 1 } = one;
	return { function: name, instance, node, weight };
}

/** Identity: instances with their nodes, and how the functions are attached. */
function nameWith(
	members: readonly Candidate[],
	functions: readonly FunctionDocument[],
): string {
	const kinds = functions.map(
		(one) => `${one.spec.attach}${rewrites(one) ? "*" : ""}`,
	);
	return `${nameOf(members)} ${kinds.join()}`;
}

/** Instances of one function to choose from. */
interface Usable {
	readonly candidates: readonly Candidate[];
	/** None of them is up. */
	readonly isDown: boolean;
}

function consequence({ spec }: FunctionDocument): string {
	if (spec.attach === "tap") return "nothing gets copies";
	if (spec.onFailure === "open") return "packets pass it by";
	return spec.onFailure === "reset"
		? "its packets drop, and TCP is reset"
		: "its packets drop";
}

function error(cause: string): Unserved {
	return { severity: "error", cause };
}

/** Changes addresses or ports; a tap cannot. */
export function rewrites({ spec }: FunctionDocument): boolean {
	return spec.rewrites === true && spec.attach !== "tap";
}
