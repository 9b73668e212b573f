/**
 * Prefixes as ranges of 16-byte addresses in hex, as masked keys have them
 * (model/packet.ts): their order is that of text.
 */
import { hostMask, parsePrefix } from "../model/address.js";
import { addressHex } from "../model/compile.js";
import type { MaskedKey } from "../model/packet.js";

export { addressHex };

/** First and last address, 32 hex digits each. */
export interface Range {
	readonly first: string;
	readonly last: string;
}

/** The 16 bytes of an IPv4 or IPv6 address. Throws where the text is none. */
export function addressBytes(text: string): Uint8Array {
	const hex = addressHex(text);
	return Uint8Array.from({ length: 16 }, (_, i) =>
		Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
	);
}

/** Range of `10.0.0.0/8` or `2001:db8::/32`. Throws where the text is none. */
export function prefixRange(text: string): Range {
	const prefix = parsePrefix(text);
	if (!prefix) {
		throw new Error(`prefix: ${text} is none (write 10.0.0.0/8)`);
	}
	const host = hostMask(prefix.family, prefix.length);
	const value = BigInt(`0x${addressHex(text.slice(0, text.indexOf("/")))}`);
	return { first: toHex(value & ~host), last: toHex(value | host) };
}

/** Addresses that one side of a masked key can mean; its masks are prefixes. */
export function keyRange(key: MaskedKey, side: "src" | "dst"): Range {
	const mask = BigInt(`0x${side === "src" ? key.srcMask : key.dstMask}`);
	const host = ((1n << 128n) - 1n) ^ mask;
	return { first: key[side], last: toHex(BigInt(`0x${key[side]}`) | host) };
}

export function overlaps(a: readonly Range[], b: readonly Range[]): boolean {
	return a.some((x) => b.some((y) => x.first <= y.last && y.first <= x.last));
}

export function contains(ranges: readonly Range[], hex: string): boolean {
	return ranges.some((range) => range.first <= hex && hex <= range.last);
}

/** One of the ranges holds all of `inner`. */
export function covers(ranges: readonly Range[], inner: Range): boolean {
	return ranges.some(
		(range) => range.first <= inner.first && inner.last <= range.last,
	);
}

function toHex(value: bigint): string {
	return value.toString(16).padStart(32, "0");
}
