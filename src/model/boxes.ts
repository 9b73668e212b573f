/**
 * Predicates as unions of boxes: a box is one set of values a dimension. The
 * step between the language and masked keys: negation is pushed down, boxes
 * that differ in one dimension are merged, empty ones are gone.
 */
import {
	type IntervalSet,
	intersect,
	normalize,
	subtract,
	union,
} from "./intervals.js";
import {
	ICMP,
	ICMP_TYPES,
	ICMPV6,
	type Predicate,
	type Test,
	type Value,
} from "./language/index.js";

export const DIMENSIONS = [
	"src",
	"dst",
	"proto",
	"sport",
	"dport",
	"dscp",
	"icmpType",
] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** A dimension left out takes every value. */
export type Box = Readonly<Partial<Record<Dimension, IntervalSet>>>;

/** IPv6 addresses stand behind the IPv4 ones, so that both share a dimension. */
export const V6 = 1n << 128n;
export const ALL_V4: IntervalSet = [[0n, (1n << 32n) - 1n]];
export const ALL_V6: IntervalSet = [[V6, 2n * V6 - 1n]];
const ALL_ADDRESSES = [...ALL_V4, ...ALL_V6];

const upTo = (max: bigint): IntervalSet => [[0n, max]];
const UNIVERSE: Record<Dimension, IntervalSet> = {
	src: ALL_ADDRESSES,
	dst: ALL_ADDRESSES,
	proto: upTo(255n),
	sport: upTo(65_535n),
	dport: upTo(65_535n),
	dscp: upTo(63n),
	icmpType: upTo(255n),
};

/** Work one predicate may cost: boxes at once, and intersections in total. */
const MAX_BOXES = 4096;
const MAX_INTERSECTIONS = 1_000_000;

/** The predicate needs more keys than a rule may have. */
export class PredicateTooLargeError extends Error {
	override readonly name = "PredicateTooLargeError";
}

/** What was to be compiled together takes more steps than it may. */
export class EffortSpentError extends Error {
	override readonly name = "EffortSpentError";
}

/**
 * Steps that compiling may take, for one predicate or for many together: a box
 * made or joined, or a key, is one, about 10 µs each.
 */
export class Effort {
	constructor(private left = Number.POSITIVE_INFINITY) {}

	#spent = 0;

	get spent(): number {
		return this.#spent;
	}

	/** Throws EffortSpentError where no more is left. */
	spend(steps: number): void {
		this.#spent += steps;
		this.left -= steps;
		if (this.left < 0)
			throw new EffortSpentError("rules take too many steps to compile");
	}
}

export function toBoxes(
	predicate: Predicate,
	tenant: string,
	effort = new Effort(),
): Box[] {
	return new Builder(tenant, effort).boxes(predicate, false);
}

class Builder {
	private intersections = 0;

	constructor(
		private readonly tenant: string,
		private readonly effort: Effort,
	) {}

	/** Boxes of the predicate, or of its complement. */
	boxes(predicate: Predicate, negated: boolean): Box[] {
		switch (predicate.kind) {
			case "any":
				return negated ? [] : [{}];
			case "not":
				return this.boxes(predicate.term, !negated);
			case "test":
				return testBoxes(predicate, negated, this.tenant);
			default: {
				const parts = predicate.terms.map((t) => this.boxes(t, negated));
				const conjunction = (predicate.kind === "and") !== negated;
				return conjunction
					? parts.reduce((a, b) => this.intersectAll(a, b), [{}])
					: this.merged(parts.flat());
			}
		}
	}

	private intersectAll(left: readonly Box[], right: readonly Box[]): Box[] {
		this.intersections += left.length * right.length;
		if (this.intersections > MAX_INTERSECTIONS) throw tooLarge();
		this.effort.spend(left.length * right.length);
		const out: Box[] = [];
		for (const a of left)
			for (const b of right) {
				const box = intersectBoxes(a, b);
				if (box) out.push(box);
			}
		return this.merged(out);
	}

	private merged(boxes: readonly Box[]): Box[] {
		this.effort.spend(boxes.length);
		return limited(merge(boxes));
	}
}

function tooLarge(): PredicateTooLargeError {
	return new PredicateTooLargeError(
		`predicate expands to more than ${MAX_BOXES} alternatives`,
	);
}

function limited(boxes: Box[]): Box[] {
	if (boxes.length > MAX_BOXES) throw tooLarge();
	return boxes;
}

function testBoxes(test: Test, negated: boolean, tenant: string): Box[] {
	const wanted = (test.op === "=") !== negated;
	if (test.field === "tenant") {
		const mine = test.values.some(
			(v) => v.kind === "name" && v.name === tenant,
		);
		return mine === wanted ? [{}] : [];
	}
	if (test.field === "icmp-type") return icmpBoxes(test.values, wanted);
	return box(test.field, normalize(test.values.flatMap(toIntervals)), wanted);
}

function box(dimension: Dimension, set: IntervalSet, wanted: boolean): Box[] {
	const all = UNIVERSE[dimension];
	const chosen = wanted ? set : subtract(all, set);
	if (chosen.length === 0) return [];
	return subtract(all, chosen).length === 0 ? [{}] : [{ [dimension]: chosen }];
}

function icmpBoxes(values: readonly Value[], wanted: boolean): Box[] {
	const of = (proto: number, version: "v4" | "v6"): Box[] => {
		const types = values.flatMap((value): [bigint, bigint][] => {
			if (value.kind !== "name") return toIntervals(value);
			const type = ICMP_TYPES.get(value.name)?.[version];
			return type === undefined ? [] : [[BigInt(type), BigInt(type)]];
		});
		const chosen = box("icmpType", normalize(types), wanted);
		return chosen.map((part) => ({ ...part, proto: only(proto) }));
	};
	const rest = subtract(
		UNIVERSE.proto,
		normalize([...only(ICMP), ...only(ICMPV6)]),
	);
	const others: Box[] = wanted ? [] : [{ proto: rest }];
	return merge([...of(ICMP, "v4"), ...of(ICMPV6, "v6"), ...others]);
}

const only = (n: number): IntervalSet => [[BigInt(n), BigInt(n)]];

function toIntervals(value: Value): [bigint, bigint][] {
	if (value.kind === "name") return [];
	if (value.kind === "numbers") return [[BigInt(value.from), BigInt(value.to)]];
	const offset = value.family === 6 ? V6 : 0n;
	return [[value.from + offset, value.to + offset]];
}

function intersectBoxes(a: Box, b: Box): Box | undefined {
	const out: Partial<Record<Dimension, IntervalSet>> = { ...a };
	for (const dimension of DIMENSIONS) {
		const other = b[dimension];
		if (!other) continue;
		const mine = a[dimension];
		const both = mine ? intersect(mine, other) : other;
		if (both.length === 0) return undefined;
		out[dimension] = both;
	}
	return isOneFamily(out) ? out : undefined;
}

/** No packet has a source of one family and a destination of the other. */
function isOneFamily({ src, dst }: Box): boolean {
	if (!src || !dst) return true;
	return [ALL_V4, ALL_V6].some(
		(all) => intersect(src, all).length > 0 && intersect(dst, all).length > 0,
	);
}

/** Joins boxes that are alike in all dimensions but one. */
function merge(boxes: readonly Box[]): Box[] {
	let current = [...boxes];
	for (const dimension of DIMENSIONS) {
		const groups = new Map<string, Box[]>();
		for (const box of current) {
			const { [dimension]: _, ...others } = box;
			const signature = signatureOf(others);
			const group = groups.get(signature);
			if (group) group.push(box);
			else groups.set(signature, [box]);
		}
		current = [...groups.values()].map((group) => join(group, dimension));
	}
	return current;
}

function join(group: readonly Box[], dimension: Dimension): Box {
	const { [dimension]: _, ...others } = group[0] ?? {};
	let sum: IntervalSet = [];
	for (const box of group) {
		const set = box[dimension];
		if (!set) return others;
		sum = sum.length === 0 ? set : union(sum, set);
	}
	const isAll = subtract(UNIVERSE[dimension], sum).length === 0;
	return isAll ? others : { ...others, [dimension]: sum };
}

function signatureOf(box: Box): string {
	return DIMENSIONS.map((dimension) =>
		box[dimension]
			?.map(([from, to]) => `${from.toString(36)}-${to.toString(36)}`)
			.join(),
	).join("/");
}
