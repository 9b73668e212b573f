/**
 * IPv4, IPv6 and MAC addresses and IP prefixes: parse, print, compare.
 * Printing is canonical (RFC 5952), so equal addresses have equal texts.
 */

export type Family = 4 | 6;

/** Text that is no address or prefix; the message says what is wrong. */
export class AddressError extends Error {
	override readonly name = "AddressError";
}

/** A prefix. `address` keeps the host bits as written, `network` lacks them. */
export interface Prefix {
	readonly family: Family;
	/** 4 or 16 bytes. */
	readonly address: Buffer;
	readonly network: Buffer;
	/** In bits. */
	readonly length: number;
}

/** 4 or 16 bytes of an address in text form. Throws AddressError. */
export function addressBytes(text: string): Buffer {
	return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

export function isAddress(text: string): boolean {
	try {
		addressBytes(text);
		return true;
	} catch (error) {
		if (error instanceof AddressError) return false;
		throw error;
	}
}

export function familyOf(text: string): Family {
	return addressBytes(text).length === 4 ? 4 : 6;
}

/** Canonical text of 4 or 16 bytes: dotted quad, or RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
	if (bytes.length === 4) return bytes.join(".");
	if (bytes.length === 16) return formatIpv6(bytes);
	throw new AddressError(`address: ${bytes.length} bytes, not 4 or 16`);
}

/** The same address in its canonical text. */
export function canonicalAddress(text: string): string {
	return formatAddress(addressBytes(text));
}

/** 32 hex digits; IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
export function addressHex(address: string | Uint8Array): string {
	const bytes =
		typeof address === "string" ? addressBytes(address) : Buffer.from(address);
	return `${bytes.length === 4 ? MAPPED : ""}${bytes.toString("hex")}`;
}

/** Inverse of addressHex: mapped addresses come back as IPv4. */
export function addressFromHex(hex: string): string {
	if (!/^[0-9a-f]{32}$/i.test(hex)) {
		throw new AddressError(`address: '${hex}' is not 32 hex digits`);
	}
	const mapped = hex.toLowerCase().startsWith(MAPPED);
	return formatAddress(Buffer.from(mapped ? hex.slice(24) : hex, "hex"));
}

const MAPPED = "00000000000000000000ffff";

/** `10.0.0.0/8`, `2001:db8::/32`; without a length, the single address. */
export function parsePrefix(text: string): Prefix {
	const slash = text.indexOf("/");
	const address = addressBytes(slash < 0 ? text : text.slice(0, slash));
	const bits = address.length * 8;
	const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
	if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > bits) {
		throw new AddressError(
			`prefix '${text}': length '${digits}' is not 0 to ${bits}`,
		);
	}
	const length = Number(digits);
	const mask = maskBytes(bits === 32 ? 4 : 6, length);
	return {
		family: bits === 32 ? 4 : 6,
		address,
		network: Buffer.from(address.map((byte, i) => byte & (mask[i] ?? 0))),
		length,
	};
}

/** Canonical text: network without host bits, and the length. */
export function formatPrefix(prefix: Prefix): string {
	return `${formatAddress(prefix.network)}/${prefix.length}`;
}

/** Whether bits behind the prefix are set, as in `10.0.0.1/8`. */
export function hasHostBits(prefix: Prefix): boolean {
	return !prefix.address.equals(prefix.network);
}

/** Network mask as 4 or 16 bytes. */
export function maskBytes(family: Family, length: number): Buffer {
	const mask = Buffer.alloc(family === 4 ? 4 : 16);
	for (let i = 0; i < mask.length; i++) {
		const bits = Math.min(8, Math.max(0, length - 8 * i));
		mask[i] = 0xff & (0xff << (8 - bits));
	}
	return mask;
}

export function prefixContains(prefix: Prefix, address: string): boolean {
	const bytes = addressBytes(address);
	if (bytes.length !== prefix.network.length) return false;
	const mask = maskBytes(prefix.family, prefix.length);
	return prefix.network.every(
		(byte, i) => byte === ((bytes[i] ?? 0) & (mask[i] ?? 0)),
	);
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
	const [wide, narrow] = a.length <= b.length ? [a, b] : [b, a];
	return prefixContains(wide, formatAddress(narrow.network));
}

/** The `index`-th address of a prefix, counted from its network address. */
export function addressAt(prefix: Prefix, index: number): string {
	const hostBits = prefix.network.length * 8 - prefix.length;
	if (!Number.isSafeInteger(index) || index < 0 || index >= 2 ** hostBits) {
		throw new AddressError(
			`prefix ${formatPrefix(prefix)}: has no address number ${index}`,
		);
	}
	const digits = prefix.network.length * 2;
	const value = BigInt(`0x${prefix.network.toString("hex")}`) + BigInt(index);
	return formatAddress(
		Buffer.from(value.toString(16).padStart(digits, "0"), "hex"),
	);
}

/** 6 bytes of `02:00:5e:10:00:01`. */
export function parseMac(text: string): Buffer {
	if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
		throw new AddressError(
			`MAC address '${text}': is not six pairs of hex digits joined by ':'`,
		);
	}
	return Buffer.from(text.replaceAll(":", ""), "hex");
}

export function formatMac(bytes: Uint8Array): string {
	return Array.from(bytes, hexByte).join(":");
}

function hexByte(byte: number): string {
	return byte.toString(16).padStart(2, "0");
}

function parseIpv4(text: string): Buffer {
	const parts = text.split(".");
	const valid =
		parts.length === 4 &&
		// No leading zeros: some systems read 010 as octal 8.
		parts.every(
			(part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256,
		);
	if (!valid) {
		throw new AddressError(
			`address '${text}': is not four numbers from 0 to 255 joined by '.'`,
		);
	}
	return Buffer.from(parts.map(Number));
}

/** RFC 4291 §2.2: groups, one `::`, a dotted quad at the end. No zone. */
function parseIpv6(text: string): Buffer {
	const refuse = (why: string): never => {
		throw new AddressError(`address '${text}': ${why}`);
	};
	if (text.includes("%")) refuse("has a zone (write it without '%…')");
	const halves = text.split("::");
	if (halves.length > 2) refuse("has more than one '::'");
	const [head = [], tail] = halves.map((half, i) =>
		groups(half, i === halves.length - 1, refuse),
	);
	if (tail === undefined) {
		if (head.length !== 16) refuse("does not have eight groups");
		return Buffer.from(head);
	}
	const gap = 16 - head.length - tail.length;
	if (gap < 2) refuse("has too many groups for a '::'");
	return Buffer.from([...head, ...new Array<number>(gap).fill(0), ...tail]);
}

function groups(
	half: string,
	last: boolean,
	refuse: (why: string) => never,
): number[] {
	if (half === "") return [];
	const parts = half.split(":");
	return parts.flatMap((part, i) => {
		if (part.includes(".") && last && i === parts.length - 1) {
			return [...parseIpv4(part)];
		}
		if (!/^[0-9a-f]{1,4}$/i.test(part)) {
			refuse(`group '${part}' is not one to four hex digits`);
		}
		const value = Number.parseInt(part, 16);
		return [value >> 8, value & 0xff];
	});
}

/** RFC 5952: lower case, the first longest run of zero groups as `::`. */
function formatIpv6(bytes: Uint8Array): string {
	const words = Array.from(
		{ length: 8 },
		(_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0),
	);
	if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
		return `::ffff:${bytes.slice(12).join(".")}`;
	}
	const text = words.map((word) => word.toString(16));
	const run = longestZeroRun(words);
	// A single zero group is not shortened (RFC 5952 §4.2.2).
	if (run.length < 2) return text.join(":");
	const head = text.slice(0, run.start).join(":");
	return `${head}::${text.slice(run.start + run.length).join(":")}`;
}

function longestZeroRun(words: readonly number[]): {
	start: number;
	length: number;
} {
	let best = { start: 0, length: 0 };
	let length = 0;
	for (const [i, word] of words.entries()) {
		length = word === 0 ? length + 1 : 0;
		if (length > best.length) best = { start: i - length + 1, length };
	}
	return best;
}
