/** Finds a packet that fits a masked key and could exist on a wire. */
import { type Family, formatAddress, parsePrefix } from "./address.js";
import { ICMP, ICMPV6, PORT_PROTOCOLS } from "./language/index.js";
import type { Packet } from "./packet.js";
import { FAMILY_6, type Ternary } from "./ternary.js";

/** What a packet has where a key leaves it open. */
const USUAL = {
	src: { 4: "10.0.1.0/24", 6: "2001:db8:1::/64" },
	dst: { 4: "198.51.100.0/24", 6: "2001:db8:ffff::/64" },
	sport: 40_000,
	dport: 443,
} as const;

const PROTOCOLS = [
	6,
	17,
	132,
	...Array.from({ length: 256 }, (_, number) => number),
];

/**
 * A packet of `tenant` that fits the key; undefined when only packets fit that
 * contradict themselves, such as an ICMP packet with ports. `subnets` are the
 * tenant's: the source is one of theirs where the key leaves it open.
 */
export function realPacket(
	key: Ternary,
	tenant: string,
	subnets: readonly string[] = [],
): Packet | undefined {
	const { value, mask } = key;
	const rest = unpack(value[9] ?? 0);
	const restMask = unpack(mask[9] ?? 0);
	const family: Family = rest[3] === FAMILY_6 ? 6 : 4;
	const ports = value[8] ?? 0;
	const portsMask = mask[8] ?? 0;
	const fill = (usual: number, bits: number, fixed: number) =>
		(usual & ~bits) | fixed;
	const [sport, sportMask] = [ports >>> 16, portsMask >>> 16];
	const [dport, dportMask] = [ports & 0xffff, portsMask & 0xffff];
	const [protoValue, dscp, icmpType] = rest;
	const icmpFirst = icmpType > 0 ? [family === 4 ? ICMP : ICMPV6] : [];
	const proto = [...icmpFirst, ...PROTOCOLS].find(
		(number) =>
			(number & restMask[0]) === protoValue &&
			(PORT_PROTOCOLS.includes(number) || (sport === 0 && dport === 0)) &&
			(number === ICMP || number === ICMPV6 || icmpType === 0),
	);
	if (proto === undefined) return undefined;
	const hasPorts = PORT_PROTOCOLS.includes(proto);
	const usualSubnet = subnets.find((s) => parsePrefix(s)?.family === family);
	return {
		tenant,
		family,
		src: addressOf(key, 0, family, usualSubnet ?? USUAL.src[family]),
		dst: addressOf(key, 4, family, USUAL.dst[family]),
		proto,
		sport: hasPorts ? fill(USUAL.sport, sportMask, sport) : 0,
		dport: hasPorts ? fill(USUAL.dport, dportMask, dport) : 0,
		dscp,
		icmpType,
	};
}

type Four = readonly [number, number, number, number];

const unpack = (word: number): Four => [
	word >>> 24,
	(word >>> 16) & 255,
	(word >>> 8) & 255,
	word & 255,
];

function addressOf(
	{ value, mask }: Ternary,
	at: number,
	family: Family,
	subnet: string,
): string {
	const join = (words: Int32Array) =>
		[0, 1, 2, 3].reduce(
			(sum, i) => (sum << 32n) | BigInt((words[at + i] ?? 0) >>> 0),
			0n,
		);
	const first = (parsePrefix(subnet)?.address ?? 0n) + 5n;
	return formatAddress(family, (first & ~join(mask)) | join(value));
}
