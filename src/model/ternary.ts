/**
 * Masked keys as machine words: fast tests of overlap and cover, and an index
 * of keys by mask (tuple space), for compile.ts and conflicts.ts.
 */
import type { MaskedKey } from "./packet.js";

/** src 4, dst 4, ports, proto | dscp | icmp-type | family. */
export const WORDS = 10;

/**
 * One bit stands for the family, and IPv4 addresses are their last word alone:
 * a key then says nothing twice, and splitting a key bit by bit (cover.ts)
 * never leaves the space of packets.
 */
export interface Ternary {
	readonly value: Int32Array;
	readonly mask: Int32Array;
}

/** The family bit of IPv6. */
export const FAMILY_6 = 1;

function words(
	src: string,
	dst: string,
	isV4: boolean,
	ports: number,
	rest: number,
): Int32Array {
	const out = new Int32Array(WORDS);
	for (let i = isV4 ? 3 : 0; i < 4; i++) {
		out[i] = Number.parseInt(src.slice(8 * i, 8 * i + 8), 16);
		out[i + 4] = Number.parseInt(dst.slice(8 * i, 8 * i + 8), 16);
	}
	out[8] = ports;
	out[9] = rest;
	return out;
}

export function toTernary(key: MaskedKey): Ternary {
	const isV4 = key.family === 4;
	const pack = (a: number, b: number, c: number, d: number) =>
		(a << 24) | (b << 16) | (c << 8) | d;
	return {
		value: words(
			key.src,
			key.dst,
			isV4,
			(key.sport << 16) | key.dport,
			pack(key.proto, key.dscp, key.icmpType, key.family === 6 ? FAMILY_6 : 0),
		),
		mask: words(
			key.srcMask,
			key.dstMask,
			isV4,
			(key.sportMask << 16) | key.dportMask,
			pack(key.protoMask, key.dscpMask, key.icmpTypeMask, key.family ? 1 : 0),
		),
	};
}

/** Some packet fits both. */
export function overlaps(a: Ternary, b: Ternary): boolean {
	for (let i = 0; i < WORDS; i++) {
		const differ = (a.value[i] ?? 0) ^ (b.value[i] ?? 0);
		if ((differ & (a.mask[i] ?? 0) & (b.mask[i] ?? 0)) !== 0) return false;
	}
	return true;
}

/** Every packet that fits `b` fits `a`. */
export function covers(a: Ternary, b: Ternary): boolean {
	for (let i = 0; i < WORDS; i++) {
		const mask = a.mask[i] ?? 0;
		if ((mask & ~(b.mask[i] ?? 0)) !== 0) return false;
		if ((((a.value[i] ?? 0) ^ (b.value[i] ?? 0)) & mask) !== 0) return false;
	}
	return true;
}

/** What fits both; call only when they overlap. */
export function conjunction(a: Ternary, b: Ternary): Ternary {
	const value = new Int32Array(WORDS);
	const mask = new Int32Array(WORDS);
	for (let i = 0; i < WORDS; i++) {
		value[i] = (a.value[i] ?? 0) | (b.value[i] ?? 0);
		mask[i] = (a.mask[i] ?? 0) | (b.mask[i] ?? 0);
	}
	return { value, mask };
}

/** Every bit that `weaker` looks at is looked at by `mask` as well. */
export function isWeaker(weaker: Int32Array, mask: Int32Array): boolean {
	for (let i = 0; i < WORDS; i++)
		if (((weaker[i] ?? 0) & ~(mask[i] ?? 0)) !== 0) return false;
	return true;
}

export function common(a: Int32Array, b: Int32Array): Int32Array {
	const out = new Int32Array(WORDS);
	for (let i = 0; i < WORDS; i++) out[i] = (a[i] ?? 0) & (b[i] ?? 0);
	return out;
}

/** The bits of both that `mask` looks at are equal. */
function equalUnder(a: Int32Array, b: Int32Array, mask: Int32Array): boolean {
	for (let i = 0; i < WORDS; i++)
		if ((((a[i] ?? 0) ^ (b[i] ?? 0)) & (mask[i] ?? 0)) !== 0) return false;
	return true;
}

function hash(value: Int32Array, mask: Int32Array): number {
	let h = 0x811c9dc5;
	for (let i = 0; i < WORDS; i++) {
		h = Math.imul(h ^ ((value[i] ?? 0) & (mask[i] ?? 0)), 0x9e3779b1);
		h ^= h >>> 15;
	}
	return h;
}

/** Items that agree on the bits of a mask; `bits` are those of the first. */
export interface Group<T> {
	readonly bits: Ternary;
	readonly items: T[];
}

/** Items by the bits of their value that one mask looks at. */
export class MaskTable<T extends { readonly bits: Ternary }> {
	private readonly buckets = new Map<number, T[]>();
	private readonly groupings = new Map<string, MaskTable<Group<T>>>();
	readonly items: T[] = [];

	constructor(readonly mask: Int32Array) {}

	add(item: T): void {
		this.items.push(item);
		const key = hash(item.bits.value, this.mask);
		const bucket = this.buckets.get(key);
		if (bucket) bucket.push(item);
		else this.buckets.set(key, [item]);
	}

	/** Items that agree with `value` on all bits of the mask. */
	*find(value: Int32Array): Generator<T> {
		for (const item of this.buckets.get(hash(value, this.mask)) ?? [])
			if (equalUnder(item.bits.value, value, this.mask)) yield item;
	}

	has(value: Int32Array): boolean {
		const bucket = this.buckets.get(hash(value, this.mask));
		return (
			bucket?.some((item) => equalUnder(item.bits.value, value, this.mask)) ??
			false
		);
	}

	/** Whether groupedBy() has done its work for this mask. */
	isGroupedBy(mask: Int32Array): boolean {
		return this.groupings.has(mask.join());
	}

	/** The items in groups that agree on the bits of a weaker mask. */
	groupedBy(mask: Int32Array): MaskTable<Group<T>> {
		const name = mask.join();
		const known = this.groupings.get(name);
		if (known) return known;
		const groups = new MaskTable<Group<T>>(mask);
		for (const item of this.items) {
			const [group] = groups.find(item.bits.value);
			if (group) group.items.push(item);
			else groups.add({ bits: item.bits, items: [item] });
		}
		this.groupings.set(name, groups);
		return groups;
	}
}

/** Tuple space: one table a mask. */
export class TupleSpace<T extends { readonly bits: Ternary }> {
	private readonly byMask = new Map<string, MaskTable<T>>();

	/** The table of items with exactly this mask. */
	table(mask: Int32Array): MaskTable<T> {
		const name = mask.join();
		let table = this.byMask.get(name);
		if (!table) {
			table = new MaskTable(mask);
			this.byMask.set(name, table);
		}
		return table;
	}

	tables(): MaskTable<T>[] {
		return [...this.byMask.values()];
	}
}
