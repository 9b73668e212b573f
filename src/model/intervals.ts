/** Sets of integers as sorted, disjoint, non-adjacent inclusive ranges. */
export type Interval = readonly [from: bigint, to: bigint];
export type IntervalSet = readonly Interval[];

// Math.max and Math.min do not take bigint.
function larger(a: bigint, b: bigint): bigint {
	if (a > b) return a;
	return b;
}

function smaller(a: bigint, b: bigint): bigint {
	if (a < b) return a;
	return b;
}

export function normalize(ranges: readonly Interval[]): IntervalSet {
	const sorted = [...ranges].sort((a, b) =>
		a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0,
	);
	const out: [bigint, bigint][] = [];
	for (const [from, to] of sorted) {
		const last = out.at(-1);
		if (last && from <= last[1] + 1n) {
			if (to > last[1]) last[1] = to;
		} else out.push([from, to]);
	}
	return out;
}

export const union = (a: IntervalSet, b: IntervalSet): IntervalSet =>
	normalize([...a, ...b]);

export function intersect(a: IntervalSet, b: IntervalSet): IntervalSet {
	const out: Interval[] = [];
	let i = 0;
	let j = 0;
	for (;;) {
		const x = a[i];
		const y = b[j];
		if (!x || !y) return out;
		const from = larger(x[0], y[0]);
		const to = smaller(x[1], y[1]);
		if (from <= to) out.push([from, to]);
		if (x[1] < y[1]) i++;
		else j++;
	}
}

/** What is in `a` and not in `b`. */
export function subtract(a: IntervalSet, b: IntervalSet): IntervalSet {
	const out: Interval[] = [];
	for (const [from, to] of a) {
		let at = from;
		for (const [start, end] of b) {
			if (end < at || start > to) continue;
			if (start > at) out.push([at, start - 1n]);
			at = end + 1n;
			if (at > to) break;
		}
		if (at <= to) out.push([at, to]);
	}
	return out;
}

export interface Bits {
	readonly value: bigint;
	/** Bits behind the prefix that may be anything. */
	readonly free: number;
}

/** The fewest prefixes of `bits` bits that make up a range. */
export function toPrefixes([from, to]: Interval, bits: number): Bits[] {
	const out: Bits[] = [];
	let at = from;
	while (at <= to) {
		let free = 0;
		while (free < bits) {
			const size = 1n << BigInt(free + 1);
			if (at % size !== 0n || at + size - 1n > to) break;
			free++;
		}
		out.push({ value: at, free });
		at += 1n << BigInt(free);
	}
	return out;
}
