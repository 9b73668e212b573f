/**
 * Random packets: facts that fit a rule or just miss it, and frames that carry
 * those facts in every shape the parser knows.
 */
import type { MaskedKey, Packet } from "../../../src/model/packet.js";
import { addressHex } from "../../../src/plan/prefix.js";
import type { Random } from "../../../src/plan/random.js";
import type { RuleSetState } from "../../../src/plan/state.js";
import { formatAddress } from "../../../src/wire/address.js";
import {
	type BuildLayer,
	eth,
	icmp,
	icmpv6,
	ipv4,
	ipv6,
	nsh,
	packet,
	raw,
	tcp,
	udp,
	vxlanGpe,
} from "../../../src/wire/build.js";
import type { Ipv6Extension } from "../../../src/wire/ipv6.js";
import type { Nsh } from "../../../src/wire/nsh.js";
import {
	isWithin,
	OUTSIDE,
	PARTIES,
	type Party,
	randomAddress,
	randomBits,
} from "./tenants.js";

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const ICMP = 1;
const ICMPV6 = 58;
const GRE = 47;

/** What is in front of and behind the facts. */
export interface Shape {
	readonly options: Buffer;
	readonly extensions: readonly Ipv6Extension[];
	readonly payload: Buffer;
	readonly syn: boolean;
	/** Sent as two fragments of this identification. */
	readonly fragmentId?: number;
}

export const PLAIN: Shape = {
	options: Buffer.alloc(0),
	extensions: [],
	payload: Buffer.alloc(8),
	syn: false,
};

const hasPorts = (proto: number) => [TCP, UDP, SCTP].includes(proto);
const isIcmp = (proto: number) => proto === ICMP || proto === ICMPV6;

/** A packet that enters at the set's side; `ports` of ICMP are its identifier. */
export function randomPacket(
	random: Random,
	party: Party,
	set: RuleSetState | undefined,
	side: RuleSetState["side"],
): Packet {
	const rule = set && set.rules.length > 0 ? random.pick(set.rules) : undefined;
	const key = rule && rule.keys.length > 0 ? random.pick(rule.keys) : undefined;
	const near = random.chance(85) ? key : undefined;
	const family = near?.family || (random.chance(60) ? 4 : 6);
	const own = party.subnets;
	/* Now and then to other users, of whatever tenant. */
	const outside = random.chance(90) ? OUTSIDE : random.pick(PARTIES).subnets;
	const [from, to] = side === "access" ? [own, outside] : [OUTSIDE, own];
	const proto = protocol(random, near, family);
	const number = (mask: number, value: number, bits: number) =>
		fitting(random, near ? mask : 0, near ? value : 0, bits);
	const id = random.below(65536);
	const sport = number(near?.sportMask ?? 0, near?.sport ?? 0, 16);
	const dport = random.chance(30)
		? random.pick([53, 80, 443, 1024])
		: number(near?.dportMask ?? 0, near?.dport ?? 0, 16);
	const spoofed = side === "access" && random.chance(3);
	const src = spoofed
		? randomAddress(random, ["10.9.0.0/16", "2001:db8:9::/48"], family)
		: address(random, near?.src, near?.srcMask, from, family);
	const dst = address(random, near?.dst, near?.dstMask, to, family);
	return {
		tenant: party.name,
		family,
		src,
		/* Nobody sends to himself: that would answer itself. */
		dst: dst === src ? randomAddress(random, OUTSIDE, family) : dst,
		proto,
		sport: isIcmp(proto) ? id : hasPorts(proto) ? sport : 0,
		dport: isIcmp(proto) ? id : hasPorts(proto) ? dport : 0,
		dscp: number(near?.dscpMask ?? 0, near?.dscp ?? 0, 6),
		icmpType: isIcmp(proto) ? icmpType(random, near, proto) : 0,
	};
}

function protocol(
	random: Random,
	key: MaskedKey | undefined,
	family: 4 | 6,
): number {
	const icmp = family === 4 ? ICMP : ICMPV6;
	const known = [TCP, UDP, SCTP, icmp, GRE];
	const wanted = known.filter(
		(one) => key && (one & key.protoMask) === key.proto,
	);
	return random.pick(wanted.length > 0 && random.chance(95) ? wanted : known);
}

/** No errors: those have the tuple of what they are about. */
function icmpType(
	random: Random,
	key: MaskedKey | undefined,
	proto: number,
): number {
	const queries = proto === ICMP ? [0, 8, 13, 14] : [128, 129, 140];
	const wanted = key && key.icmpType & key.icmpTypeMask;
	return wanted !== undefined && queries.includes(wanted) && random.chance(80)
		? wanted
		: random.pick(queries);
}

/** A number under a mask, now and then the next to it on either side. */
function fitting(
	random: Random,
	mask: number,
	value: number,
	bits: number,
): number {
	const all = 2 ** bits - 1;
	const free = random.chance(30)
		? random.pick([0, all])
		: random.below(2 ** bits);
	const exact = value | (free & ~mask & all);
	return (exact + random.pick([0, 0, 0, 0, 0, 0, 1, -1]) + 2 ** bits) & all;
}

/** An address under a mask as far as it stays among `prefixes`. */
function address(
	random: Random,
	value: string | undefined,
	mask: string | undefined,
	prefixes: readonly string[],
	family: 4 | 6,
): string {
	const any = randomAddress(random, prefixes, family);
	if (value === undefined || mask === undefined || random.chance(10))
		return any;
	const host = ~BigInt(`0x${mask}`) & ((1n << 128n) - 1n);
	const bits = random.chance(50)
		? BigInt(`0x${addressHex(any)}`)
		: randomBits(random, 128);
	const fits = (BigInt(`0x${value}`) & ~host) | (bits & host);
	const near = fits ^ (random.chance(10) ? lowestBit(~host) : 0n);
	const text = textOf(near, family);
	return text && prefixes.some((prefix) => isWithin(text, prefix)) ? text : any;
}

const lowestBit = (bits: bigint) => BigInt.asUintN(128, bits & -bits);

function textOf(value: bigint, family: 4 | 6): string | undefined {
	const bytes = Buffer.from(value.toString(16).padStart(32, "0"), "hex");
	if (family === 6) return formatAddress(bytes);
	return value >> 32n === 0xffffn
		? formatAddress(bytes.subarray(12))
		: undefined;
}

export function randomShape(random: Random, { proto, family }: Packet): Shape {
	const extension = (): Ipv6Extension => ({
		type: random.pick([0, 43, 60] as const),
		body: Buffer.alloc(random.pick([6, 14, 22])),
	});
	const fragmented = hasPorts(proto) && random.chance(8);
	return {
		options:
			family === 4 && random.chance(15)
				? Buffer.alloc(4 * (1 + random.below(10)), 1)
				: Buffer.alloc(0),
		extensions:
			family === 6 && random.chance(25)
				? Array.from({ length: 1 + random.below(4) }, extension)
				: [],
		payload: Buffer.alloc(random.below(40), 0x61),
		syn: random.chance(30),
		...(fragmented && { fragmentId: random.below(2 ** 31) }),
	};
}

/** The frames of a packet: one, or two fragments of which the first has the ports. */
export function framesOf(
	facts: Packet,
	shape: Shape,
	macs: { readonly src: string; readonly dst: string },
	vlan = 0,
): Buffer[] {
	const link = eth({ ...macs, ...(vlan > 0 && { vlan }) });
	if (shape.fragmentId === undefined)
		return [packet(link, network(facts, shape), ...transport(facts, shape))];
	const head = 24;
	const whole = packet(network(facts, shape), ...transport(facts, shape));
	const at = whole.length - packet(...transport(facts, shape)).length;
	const body = Buffer.concat([whole.subarray(at), Buffer.alloc(64, 0x62)]);
	return [0, head].map((offset) =>
		packet(
			link,
			network(facts, shape, { offset, more: offset === 0 }),
			offset === 0 ? body.subarray(0, head) : body.subarray(head),
		),
	);
}

function network(
	{ family, src, dst, dscp, proto }: Packet,
	{ options, extensions, fragmentId = 0 }: Shape,
	fragment?: { readonly offset: number; readonly more: boolean },
): BuildLayer {
	if (family === 4)
		return ipv4({
			src,
			dst,
			dscp,
			proto,
			options,
			...(fragment && {
				id: fragmentId & 0xffff,
				fragmentOffset: fragment.offset,
				moreFragments: fragment.more,
			}),
		});
	const part = fragment && {
		type: 44 as const,
		...fragment,
		id: fragmentId,
		reserved: 0,
	};
	return ipv6({
		src,
		dst,
		dscp,
		proto,
		extensions: [...extensions, ...(part ? [part] : [])],
	});
}

function transport(
	{ family, proto, sport, dport, icmpType }: Packet,
	{ payload, syn }: Shape,
): (BuildLayer | Buffer)[] {
	switch (proto) {
		case TCP:
			return [tcp({ sport, dport, flags: syn ? "S" : "A" }), payload];
		case UDP:
			return [udp({ sport, dport }), payload];
		case SCTP: {
			const ports = Buffer.alloc(12);
			ports.writeUInt16BE(sport, 0);
			ports.writeUInt16BE(dport, 2);
			return [raw(ports), payload];
		}
		case ICMP:
		case ICMPV6: {
			const layer = family === 4 ? icmp : icmpv6;
			return [layer({ type: icmpType, id: sport, seq: 1 }), payload];
		}
		default:
			return [payload];
	}
}

/** Types of ICMP that answer others. */
const ANSWERS: Readonly<Record<number, number>> = { 8: 0, 13: 14, 128: 129 };

/** A packet whose ends are exchanged already, as what answers. */
export function answering(packet: Packet): Packet {
	const { proto, icmpType } = packet;
	return isIcmp(proto)
		? { ...packet, icmpType: ANSWERS[icmpType] ?? icmpType }
		: packet;
}

/** An error about a packet as it left; `to` is who sent that, as a rule. */
export function errorAbout(
	facts: Packet,
	{ from, to }: { readonly from: string; readonly to: string },
	macs: { readonly src: string; readonly dst: string },
	vlan = 0,
): Buffer {
	const { family, dscp } = facts;
	const link = eth({ ...macs, ...(vlan > 0 && { vlan }) });
	const about = packet(network(facts, PLAIN), ...transport(facts, PLAIN));
	return family === 4
		? packet(
				link,
				ipv4({ src: from, dst: to, dscp }),
				icmp({ type: 11 }),
				about.subarray(0, 28),
			)
		: packet(
				link,
				ipv6({ src: from, dst: to, dscp }),
				icmpv6({ type: 3 }),
				about,
			);
}

/** The packet as another node sends it to this one. */
export function tunnelled(
	place: Pick<Nsh, "spi" | "si" | "ttl">,
	facts: Packet,
	{
		src,
		dst,
		mac,
	}: { readonly src: string; readonly dst: string; readonly mac: string },
): Buffer {
	return packet(
		eth({ dst: mac }),
		ipv4({ src, dst }),
		udp({ sport: 50_000, checksum: 0 }),
		vxlanGpe(),
		nsh(place),
		network(facts, PLAIN),
		...transport(facts, PLAIN),
	);
}
