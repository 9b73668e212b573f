/**
 * IPv4 and IPv6 addresses and prefixes as numbers: parse, print (RFC 5952),
 * and the text a message needs when one is wrong.
 */
export type Family = 4 | 6;

export interface AddressValue {
	readonly family: Family;
	readonly value: bigint;
}

export interface PrefixValue {
	readonly family: Family;
	/** As written: may have bits set behind the prefix (see `network`). */
	readonly address: bigint;
	readonly length: number;
}

/** Bits of an address. */
export const width = (family: Family): number => (family === 4 ? 32 : 128);

const OCTET = /^(0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;

function parseV4(text: string): bigint | undefined {
	const parts = text.split(".");
	if (parts.length !== 4) return undefined;
	let value = 0;
	for (const part of parts) {
		if (!OCTET.test(part) || Number(part) > 255) return undefined;
		value = value * 256 + Number(part);
	}
	return BigInt(value);
}

/** Groups of one side of `::`; the last may be dotted and counts as two. */
function parseGroups(text: string, dotted: boolean): number[] | undefined {
	if (text === "") return [];
	const groups: number[] = [];
	const parts = text.split(":");
	for (const [index, part] of parts.entries()) {
		if (dotted && part.includes(".") && index === parts.length - 1) {
			const v4 = parseV4(part);
			if (v4 === undefined) return undefined;
			groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
		} else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
		else return undefined;
	}
	return groups;
}

function parseV6(text: string): bigint | undefined {
	if (text.length > 45) return undefined;
	const halves = text.split("::");
	if (halves.length > 2) return undefined;
	const head = parseGroups(halves[0] ?? "", halves.length === 1);
	const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
	if (!head || !tail) return undefined;
	const missing = 8 - head.length - tail.length;
	if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
	let value = 0n;
	for (const group of [...head, ...Array<number>(missing).fill(0), ...tail])
		value = (value << 16n) | BigInt(group);
	return value;
}

export function parseAddress(text: string): AddressValue | undefined {
	const family: Family = text.includes(":") ? 6 : 4;
	const value = family === 6 ? parseV6(text) : parseV4(text);
	return value === undefined ? undefined : { family, value };
}

/** `address/length`; the length may not be left out. */
export function parsePrefix(text: string): PrefixValue | undefined {
	const slash = text.indexOf("/");
	if (slash < 0) return undefined;
	const address = parseAddress(text.slice(0, slash));
	const length = text.slice(slash + 1);
	if (!address || !/^(0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
	if (Number(length) > width(address.family)) return undefined;
	return {
		family: address.family,
		address: address.value,
		length: Number(length),
	};
}

/** Mask of the bits behind a prefix. */
export const hostMask = (family: Family, length: number): bigint =>
	(1n << BigInt(width(family) - length)) - 1n;

/** The prefix without host bits. */
export function network(prefix: PrefixValue): PrefixValue {
	const host = hostMask(prefix.family, prefix.length);
	return { ...prefix, address: prefix.address & ~host };
}

export function formatAddress(family: Family, value: bigint): string {
	if (family === 4)
		return [24n, 16n, 8n, 0n].map((s) => (value >> s) & 0xffn).join(".");
	const groups = Array.from({ length: 8 }, (_, i) =>
		Number((value >> BigInt(112 - 16 * i)) & 0xffffn),
	);
	const zeros = longestZeros(groups);
	const hex = groups.map((group) => group.toString(16));
	if (zeros.length < 2) return hex.join(":");
	const head = hex.slice(0, zeros.start).join(":");
	return `${head}::${hex.slice(zeros.start + zeros.length).join(":")}`;
}

/** RFC 5952 §4.2: the longest run of zero groups, the first of equal ones. */
function longestZeros(groups: readonly number[]): {
	start: number;
	length: number;
} {
	let best = { start: 0, length: 0 };
	let start = 0;
	for (let i = 0; i <= groups.length; i++) {
		if (groups[i] === 0) continue;
		if (i - start > best.length) best = { start, length: i - start };
		start = i + 1;
	}
	return best;
}

export const formatPrefix = (prefix: PrefixValue): string =>
	`${formatAddress(prefix.family, prefix.address)}/${prefix.length}`;

/** What is wrong with a prefix, or undefined when it is a network. */
export function prefixFault(
	text: string,
): { message: string; hint: string } | undefined {
	const prefix = parsePrefix(text);
	if (prefix) {
		const clean = network(prefix);
		if (clean.address === prefix.address) return undefined;
		return {
			message: `\`${text}\` has host bits set`,
			hint: `did you mean \`${formatPrefix(clean)}\`?`,
		};
	}
	const message = `\`${text}\` is not a prefix`;
	const alone = parseAddress(text);
	if (alone)
		return {
			message,
			hint: `a prefix has a length: \`${text}/${width(alone.family)}\` is this address alone`,
		};
	const [address = "", length] = text.split("/");
	const parsed = parseAddress(address);
	if (parsed && length !== undefined)
		return {
			message,
			hint: `the length of an IPv${parsed.family} prefix is 0 to ${width(parsed.family)}`,
		};
	return { message, hint: "write it like 10.0.1.0/24 or 2001:db8:1::/64" };
}
