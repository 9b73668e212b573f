/** Random headers for fast-check: each one that its codec accepts. */
import fc, { type Arbitrary } from "fast-check";
import { formatAddress, formatMac } from "../src/wire/address.js";
import type { Ethernet } from "../src/wire/ethernet.js";
import type { Gre } from "../src/wire/gre.js";
import type { Icmp } from "../src/wire/icmp.js";
import { IpProto, type Ipv4 } from "../src/wire/ipv4.js";
import type { Ipv6, Ipv6Extension } from "../src/wire/ipv6.js";
import { encodeMetadata, type Nsh, type NshMetadata } from "../src/wire/nsh.js";
import type { Tcp } from "../src/wire/tcp.js";
import type { Udp } from "../src/wire/udp.js";
import type { Vxlan } from "../src/wire/vxlan.js";

/** Plain objects, as the decoders make them. */
export const record = <T>(
	model: { [K in keyof T]: Arbitrary<T[K]> },
): Arbitrary<T> => fc.record(model, { noNullPrototype: true }) as Arbitrary<T>;
export const uint = (bits: number, min = 0) =>
	fc.integer({ min, max: 2 ** bits - 1 });
const bool = fc.boolean();
const blob = (length: number) =>
	fc
		.uint8Array({ minLength: length, maxLength: length })
		.map((b) => Buffer.from(b));
const words = (max: number) =>
	fc.integer({ min: 0, max }).chain((n) => blob(4 * n));
const ip = (length: number) => blob(length).map(formatAddress);
const mac = blob(6).map(formatMac);
const fragmentOffset = uint(13).map((n) => n * 8);

export const ethernet: Arbitrary<Ethernet> = record({
	dst: mac,
	src: mac,
	vlans: fc.array(
		record({
			tpid: fc.constantFrom(0x8100, 0x88a8),
			priority: uint(3),
			dropEligible: bool,
			id: uint(12),
		}),
		{ maxLength: 3 },
	),
	etherType: uint(16).filter((type) => type !== 0x8100 && type !== 0x88a8),
});

export const ipv4: Arbitrary<Ipv4> = words(10).chain((options) =>
	record({
		version: fc.constant(4),
		ihl: fc.constant(5 + options.length / 4),
		dscp: uint(6),
		ecn: uint(2),
		totalLength: uint(16, 60),
		id: uint(16),
		reserved: bool,
		dontFragment: bool,
		moreFragments: bool,
		fragmentOffset,
		ttl: uint(8),
		proto: uint(8),
		checksum: uint(16),
		src: ip(4),
		dst: ip(4),
		options: fc.constant(options),
	}),
);

const extension: Arbitrary<Ipv6Extension> = fc.oneof(
	record({
		type: fc.constantFrom(
			IpProto.hopByHop,
			IpProto.routing,
			IpProto.destination,
		),
		body: fc.constantFrom(6, 14, 30).chain(blob),
	}),
	record({
		type: fc.constant(IpProto.ah),
		body: fc.constantFrom(10, 22).chain(blob),
	}),
	record({
		type: fc.constant(IpProto.fragment),
		offset: fc.constant(0),
		more: bool,
		id: uint(32),
		reserved: uint(10),
	}),
);

export const ipv6: Arbitrary<Ipv6> = record({
	version: fc.constant(6),
	dscp: uint(6),
	ecn: uint(2),
	flowLabel: uint(20),
	payloadLength: uint(16, 200),
	hopLimit: uint(8),
	src: ip(16),
	dst: ip(16),
	extensions: fc.array(extension, { maxLength: 4 }),
	proto: fc.constantFrom(
		IpProto.tcp,
		IpProto.udp,
		IpProto.icmpv6,
		IpProto.esp,
		200,
	),
});

export const udp: Arbitrary<Udp> = record({
	sport: uint(16),
	dport: uint(16),
	length: uint(16, 8),
	checksum: uint(16),
});

export const tcp: Arbitrary<Tcp> = words(10).chain((options) =>
	record({
		sport: uint(16),
		dport: uint(16),
		seq: uint(32),
		ack: uint(32),
		dataOffset: fc.constant(5 + options.length / 4),
		reserved: uint(3),
		flags: uint(9),
		window: uint(16),
		checksum: uint(16),
		urgent: uint(16),
		options: fc.constant(options),
	}),
);

export const icmp: Arbitrary<Icmp> = record({
	type: uint(8),
	code: uint(8),
	checksum: uint(16),
	rest: uint(32),
});

const metadata: Arbitrary<{ mdType: number; metadata: NshMetadata }> = fc.oneof(
	fc.tuple(uint(32), uint(32), uint(32), uint(32)).map((context) => ({
		mdType: 1,
		metadata: { kind: "context" as const, words: context },
	})),
	fc
		.array(
			record({
				class: uint(16),
				type: uint(8),
				unassigned: bool,
				value: fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b)),
			}),
			{ maxLength: 5 },
		)
		.map((tlvs) => ({ mdType: 2, metadata: { kind: "tlvs" as const, tlvs } })),
	fc.tuple(fc.constantFrom(0, 3, 7, 0xf), words(61)).map(([mdType, bytes]) => ({
		mdType,
		metadata: { kind: "raw" as const, bytes },
	})),
);

export const nsh: Arbitrary<Nsh> = metadata.chain((md) =>
	record({
		version: fc.constant(0),
		oam: bool,
		unassignedBit: bool,
		ttl: uint(6),
		length: fc.constant(2 + encodeMetadata(md.metadata).length / 4),
		unassigned: uint(4),
		mdType: fc.constant(md.mdType),
		nextProtocol: uint(8),
		spi: uint(24),
		si: uint(8),
		metadata: fc.constant(md.metadata),
	}),
);

export const vxlan: Arbitrary<Vxlan> = bool.chain((nextProtocolBit) =>
	record({
		version: nextProtocolBit ? fc.constant(0) : uint(2),
		instance: bool,
		nextProtocolBit: fc.constant(nextProtocolBit),
		replicated: bool,
		oam: bool,
		reservedFlags: uint(2),
		reserved1: uint(16),
		nextProtocol: uint(8),
		vni: uint(24),
		reserved2: uint(8),
	}),
);

export const gre: Arbitrary<Gre> = fc.oneof(
	fc.record(
		{
			version: fc.constant(0),
			protocol: uint(16),
			reserved: uint(9),
			key: uint(32),
			sequence: uint(32),
		},
		{
			requiredKeys: ["version", "protocol", "reserved"],
			noNullPrototype: true,
		},
	),
	record({
		version: fc.constant(0),
		protocol: uint(16),
		reserved: uint(9),
		checksum: uint(16),
		reserved1: uint(16),
		key: uint(32),
	}),
);
