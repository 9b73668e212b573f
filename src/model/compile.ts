/**
 * Predicates to masked keys, as the kernel's rule table wants them, and the
 * naive test of a key against a packet. evaluate() is the twin of both.
 */
import { type Family, parseAddress } from "./address.js";
import {
	ALL_V4,
	ALL_V6,
	type Box,
	type Dimension,
	Effort,
	EffortSpentError,
	PredicateTooLargeError,
	toBoxes,
	V6,
} from "./boxes.js";
import { type IntervalSet, intersect, toPrefixes } from "./intervals.js";
import type { Predicate } from "./language/index.js";
import type { MaskedKey, Packet } from "./packet.js";
import { isWeaker, type Ternary, TupleSpace, toTernary } from "./ternary.js";

export { Effort, EffortSpentError, PredicateTooLargeError };

/** Most keys one predicate may compile to. */
export const MAX_KEYS = 4096;

/** A field's bits: what they must be, and which of them count. */
interface Masked {
	readonly value: bigint;
	readonly mask: bigint;
}

const MAPPED = 0xffffn << 32n;
const ANY: Masked = { value: 0n, mask: 0n };
const MAPPED_MASK = ((1n << 96n) - 1n) << 32n;
const ALL_BITS = (1n << 128n) - 1n;
/** Any address of a family; IPv4 carries its ::ffff:0:0/96. */
const ANY_OF: Record<Family, Masked> = {
	4: { value: MAPPED, mask: MAPPED_MASK },
	6: ANY,
};

/**
 * Keys that together fit exactly the packets of `tenant` for which evaluate()
 * holds; none covers another, though they may overlap. Throws
 * PredicateTooLargeError beyond MAX_KEYS, EffortSpentError beyond the effort.
 */
export function compilePredicate(
	predicate: Predicate,
	tenant: string,
	effort = new Effort(),
): MaskedKey[] {
	const keys: MaskedKey[] = [];
	for (const box of toBoxes(predicate, tenant, effort)) {
		for (const family of familiesOf(box)) addKeys(keys, box, family, effort);
	}
	return withoutCovered(keys);
}

function familiesOf({ src, dst }: Box): readonly (0 | Family)[] {
	return src || dst ? [4, 6] : [0];
}

function addKeys(
	keys: MaskedKey[],
	box: Box,
	family: 0 | Family,
	effort: Effort,
): void {
	const src = addressBits(box.src, family);
	const dst = addressBits(box.dst, family);
	const numbers = (dimension: Dimension, bits: number) =>
		numberBits(box[dimension], bits);
	const proto = numbers("proto", 8);
	const sport = numbers("sport", 16);
	const dport = numbers("dport", 16);
	const dscp = numbers("dscp", 6);
	const icmpType = numbers("icmpType", 8);
	const count = [src, dst, proto, sport, dport, dscp, icmpType].reduce(
		(product, { length }) => product * length,
		1,
	);
	if (keys.length + count > MAX_KEYS)
		throw new PredicateTooLargeError(
			`predicate expands to more than ${MAX_KEYS} masked keys`,
		);
	effort.spend(count);
	for (const s of src)
		for (const d of dst)
			for (const p of proto)
				for (const sp of sport)
					for (const dp of dport)
						for (const q of dscp)
							for (const t of icmpType)
								keys.push({
									family,
									src: hex(s.value),
									srcMask: hex(s.mask),
									dst: hex(d.value),
									dstMask: hex(d.mask),
									proto: Number(p.value),
									protoMask: Number(p.mask),
									sport: Number(sp.value),
									sportMask: Number(sp.mask),
									dport: Number(dp.value),
									dportMask: Number(dp.mask),
									dscp: Number(q.value),
									dscpMask: Number(q.mask),
									icmpType: Number(t.value),
									icmpTypeMask: Number(t.mask),
								});
}

const hex = (value: bigint): string => value.toString(16).padStart(32, "0");

function addressBits(
	set: IntervalSet | undefined,
	family: 0 | Family,
): readonly Masked[] {
	if (family === 0) return [ANY];
	if (!set) return [ANY_OF[family]];
	const part = intersect(set, family === 4 ? ALL_V4 : ALL_V6);
	const base = family === 4 ? 0n : V6;
	return part.flatMap(([from, to]) =>
		toPrefixes([from - base, to - base], family === 4 ? 32 : 128).map(
			({ value, free }) => ({
				value: ANY_OF[family].value | value,
				mask: ALL_BITS ^ ((1n << BigInt(free)) - 1n),
			}),
		),
	);
}

function numberBits(
	set: IntervalSet | undefined,
	bits: number,
): readonly Masked[] {
	if (!set) return [ANY];
	const all = (1n << BigInt(bits)) - 1n;
	return set.flatMap((range) =>
		toPrefixes(range, bits).map(({ value, free }) => ({
			value,
			mask: all ^ ((1n << BigInt(free)) - 1n),
		})),
	);
}

/** Drops keys that another one covers; equal ones stay once. */
function withoutCovered(keys: readonly MaskedKey[]): MaskedKey[] {
	const space = new TupleSpace<{ key: MaskedKey; bits: Ternary }>();
	for (const key of keys) {
		const bits = toTernary(key);
		const table = space.table(bits.mask);
		if (!table.has(bits.value)) table.add({ key, bits });
	}
	const tables = space.tables();
	return tables.flatMap((table) => {
		const weaker = tables.filter(
			(other) => other !== table && isWeaker(other.mask, table.mask),
		);
		return table.items
			.filter(({ bits }) => !weaker.some((other) => other.has(bits.value)))
			.map(({ key }) => key);
	});
}

/** Naive test of one key, bit by bit as packet.ts defines it. */
export function matchKey(key: MaskedKey, packet: Packet): boolean {
	const fits = (fact: number, mask: number, value: number) =>
		(fact & mask) === value;
	return (
		(key.family === 0 || key.family === packet.family) &&
		fits(packet.proto, key.protoMask, key.proto) &&
		fits(packet.sport, key.sportMask, key.sport) &&
		fits(packet.dport, key.dportMask, key.dport) &&
		fits(packet.dscp, key.dscpMask, key.dscp) &&
		fits(packet.icmpType, key.icmpTypeMask, key.icmpType) &&
		addressFits(packet.src, key.srcMask, key.src) &&
		addressFits(packet.dst, key.dstMask, key.dst)
	);
}

function addressFits(text: string, mask: string, value: string): boolean {
	return (
		(BigInt(`0x${addressHex(text)}`) & BigInt(`0x${mask}`)) ===
		BigInt(`0x${value}`)
	);
}

/** The 32 hex digits of a key for an address; throws where it is none. */
export function addressHex(text: string): string {
	const address = parseAddress(text);
	if (!address) throw new Error(`packet: \`${text}\` is not an address`);
	return hex(address.family === 4 ? MAPPED | address.value : address.value);
}
