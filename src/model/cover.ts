/**
 * Proves that earlier keys together take every packet of a key: by one of them,
 * or by splitting the key where they differ, within bounds. No proof is no
 * finding, so the answer is never wrong, only sometimes "unknown".
 */
import {
	common,
	covers,
	isWeaker,
	overlaps,
	type Ternary,
	type TupleSpace,
	WORDS,
} from "./ternary.js";

interface Ranked {
	readonly bits: Ternary;
	readonly entry: { readonly rank: number };
}

interface Work {
	spend(work: number): boolean;
	readonly exhausted: boolean;
}

/** Earlier keys considered for one key, and splits of it. */
const MAX_CANDIDATES = 64;
const MAX_SPLITS = 512;

/**
 * Keys of rank below `rank` that together cover all of `keys`; undefined when
 * they do not, or when it cannot be shown cheaply.
 */
export function findShadow<K extends Ranked>(
	keys: readonly K[],
	rank: number,
	space: TupleSpace<K>,
	work: Work,
): K[] | undefined {
	if (rank === 0) return undefined;
	const by: K[] = [];
	const open: K[] = [];
	for (const key of keys) {
		const single = coveredByOne(key, rank, space, work);
		if (single) by.push(single);
		else open.push(key);
		if (work.exhausted) return undefined;
	}
	for (const key of open) {
		const candidates = overlapping(key, rank, space, work);
		if (!candidates) return undefined;
		const used = new Set<K>();
		const splits = { left: MAX_SPLITS };
		if (!coveredByAll(key.bits, candidates, used, splits)) return undefined;
		by.push(...used);
	}
	return by;
}

/** The earliest key that covers this one alone. */
function coveredByOne<K extends Ranked>(
	key: K,
	rank: number,
	space: TupleSpace<K>,
	work: Work,
): K | undefined {
	let best: K | undefined;
	for (const table of space.tables()) {
		if (!work.spend(1)) return undefined;
		if (!isWeaker(table.mask, key.bits.mask)) continue;
		for (const other of table.find(key.bits.value))
			if (other.entry.rank < (best?.entry.rank ?? rank)) best = other;
	}
	return best;
}

/** Earlier keys that share packets with this one; undefined: too many. */
function overlapping<K extends Ranked>(
	key: K,
	rank: number,
	space: TupleSpace<K>,
	work: Work,
): K[] | undefined {
	const found: K[] = [];
	for (const table of space.tables()) {
		const mask = common(table.mask, key.bits.mask);
		if (!table.isGroupedBy(mask)) work.spend(table.items.length);
		for (const group of table.groupedBy(mask).find(key.bits.value))
			for (const other of group.items) {
				if (!work.spend(1)) return undefined;
				if (other.entry.rank >= rank) continue;
				found.push(other);
				if (found.length > MAX_CANDIDATES) return undefined;
			}
	}
	return found;
}

function coveredByAll<K extends Ranked>(
	bits: Ternary,
	candidates: readonly K[],
	used: Set<K>,
	splits: { left: number },
): boolean {
	const near = candidates.filter((other) => overlaps(other.bits, bits));
	const one = near.find((other) => covers(other.bits, bits));
	if (one) {
		used.add(one);
		return true;
	}
	const bit = near[0] && freeBit(near, bits);
	if (!bit || splits.left-- <= 0) return false;
	return [0, bit.bit].every((side) => {
		const value = bits.value.slice();
		const mask = bits.mask.slice();
		value[bit.word] = (value[bit.word] ?? 0) | side;
		mask[bit.word] = (mask[bit.word] ?? 0) | bit.bit;
		return coveredByAll({ value, mask }, near, used, splits);
	});
}

/** A bit that a candidate looks at and the key leaves open: the fewest first. */
function freeBit<K extends Ranked>(
	candidates: readonly K[],
	bits: Ternary,
): { word: number; bit: number } | undefined {
	let best: { word: number; bit: number } | undefined;
	let least = Number.POSITIVE_INFINITY;
	for (const { bits: other } of candidates) {
		let count = 0;
		let first: { word: number; bit: number } | undefined;
		for (let word = 0; word < WORDS; word++) {
			let open = (other.mask[word] ?? 0) & ~(bits.mask[word] ?? 0);
			for (; open !== 0; open &= open - 1) {
				count++;
				first ??= { word, bit: 1 << (31 - Math.clz32(open)) };
			}
		}
		if (count < least) [best, least] = [first, count];
	}
	return best;
}
