/**
 * Which instances serve together: combinations of one instance of each function
 * of a chain, with weights. Every instance keeps its share, neighbours on one
 * node are joined first, and the same pair is preferred whoever else is there,
 * so that a change moves little.
 */
import { textHash } from "./hash.js";

/** Paths one policy may have at one ingress, in each direction. */
export const MAX_COMBINATIONS = 64;

export interface Candidate {
	readonly function: string;
	readonly instance: string;
	readonly node: string;
	readonly weight: number;
}

export interface Combination {
	readonly members: readonly Candidate[];
	/** Share of the flows, relative to the other combinations. */
	readonly weight: number;
}

/** Units the flows are dealt out in where nothing limits the number of paths. */
const FINE = 1 << 16;

/**
 * Combinations for a chain, given the usable instances of each of its
 * functions (none empty). At most MAX_COMBINATIONS.
 */
export function combine(
	functions: readonly (readonly Candidate[])[],
): Combination[] {
	const fine = deal(functions, FINE);
	/* One unit a combination at least: so few units cannot make too many. */
	return fine.length <= MAX_COMBINATIONS
		? fine
		: deal(functions, MAX_COMBINATIONS);
}

function deal(
	functions: readonly (readonly Candidate[])[],
	units: number,
): Combination[] {
	let parts: Combination[] = [{ members: [], weight: units }];
	for (const candidates of functions) {
		parts = extend(parts, candidates, shares(candidates, units));
	}
	return parts;
}

/** Units of each candidate by weight: largest remainder, at least one. */
function shares(candidates: readonly Candidate[], units: number): number[] {
	const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
	const spare = units - candidates.length;
	const exact = candidates.map(({ weight }) => (spare * weight) / total);
	const given = exact.map((share) => 1 + Math.floor(share));
	const rest = units - given.reduce((sum, share) => sum + share, 0);
	exact
		.map((share, index) => ({ index, remainder: share % 1 }))
		.sort((a, b) => b.remainder - a.remainder || a.index - b.index)
		.slice(0, rest)
		.forEach(({ index }) => {
			given[index] = (given[index] ?? 0) + 1;
		});
	return given;
}

function extend(
	parts: readonly Combination[],
	candidates: readonly Candidate[],
	quotas: readonly number[],
): Combination[] {
	const open = parts.map((part) => part.weight);
	const left = [...quotas];
	const pairs = parts.flatMap((part, from) =>
		candidates.map((candidate, to) => ({
			from,
			to,
			crossing: Number(isElsewhere(part, candidate)),
			preference: textHash(`${nameOf(part.members)}+${nameOf([candidate])}`),
		})),
	);
	pairs.sort((a, b) => a.crossing - b.crossing || a.preference - b.preference);
	const made: Combination[] = [];
	for (const { from, to } of pairs) {
		const weight = Math.min(open[from] ?? 0, left[to] ?? 0);
		const part = parts[from];
		const candidate = candidates[to];
		if (weight > 0 && part && candidate) {
			open[from] = (open[from] ?? 0) - weight;
			left[to] = (left[to] ?? 0) - weight;
			made.push({ members: [...part.members, candidate], weight });
		}
	}
	return made;
}

function isElsewhere(part: Combination, next: Candidate): boolean {
	const last = part.members.at(-1);
	return last !== undefined && last.node !== next.node;
}

/** Identity of a combination: its instances with their nodes. */
export function nameOf(members: readonly Candidate[]): string {
	return members
		.map((member) => `${member.function}/${member.instance}@${member.node}`)
		.join(" ");
}
