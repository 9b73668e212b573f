import assert from "node:assert/strict";
import { test } from "node:test";
import fc, { type Arbitrary } from "fast-check";
import { formatAddress, formatMac } from "./address.js";
import { type Decoded, DecodeError } from "./bytes.js";
import { decodeEthernet, type Ethernet, encodeEthernet } from "./ethernet.js";
import { decodeGre, encodeGre, type Gre } from "./gre.js";
import { decodeIcmp, encodeIcmp, type Icmp } from "./icmp.js";
import { decodeIpv4, encodeIpv4, IpProto, type Ipv4 } from "./ipv4.js";
import {
	decodeIpv6,
	encodeIpv6,
	type Ipv6,
	type Ipv6Extension,
} from "./ipv6.js";
import {
	decodeNsh,
	encodeMetadata,
	encodeNsh,
	type Nsh,
	type NshMetadata,
} from "./nsh.js";
import {
	decodeTcp,
	decodeTcpOptions,
	encodeTcp,
	encodeTcpOptions,
	type Tcp,
	type TcpOption,
} from "./tcp.js";
import { decodeUdp, encodeUdp, type Udp } from "./udp.js";
import { decodeVxlan, encodeVxlan, type Vxlan } from "./vxlan.js";

/** Plain objects, as the decoders make them. */
const record = <T>(model: { [K in keyof T]: Arbitrary<T[K]> }): Arbitrary<T> =>
	fc.record(model, { noNullPrototype: true }) as Arbitrary<T>;
const uint = (bits: number, min = 0) => fc.integer({ min, max: 2 ** bits - 1 });
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

const ethernet: Arbitrary<Ethernet> = record({
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

const ipv4: Arbitrary<Ipv4> = words(10).chain((options) =>
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

const ipv6: Arbitrary<Ipv6> = record({
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

const udp: Arbitrary<Udp> = record({
	sport: uint(16),
	dport: uint(16),
	length: uint(16, 8),
	checksum: uint(16),
});

const tcp: Arbitrary<Tcp> = words(10).chain((options) =>
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

const icmp: Arbitrary<Icmp> = record({
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

const nsh: Arbitrary<Nsh> = metadata.chain((md) =>
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

const vxlan: Arbitrary<Vxlan> = bool.chain((nextProtocolBit) =>
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

const gre: Arbitrary<Gre> = fc.oneof(
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

function roundTrip<T>(
	name: string,
	headers: Arbitrary<T>,
	encode: (header: T) => Buffer,
	decode: (bytes: Uint8Array, offset?: number) => Decoded<T>,
): void {
	test(`${name}: decode(encode(x)) is x, wherever it stands`, () => {
		fc.assert(
			fc.property(headers, uint(4), (header, offset) => {
				const bytes = encode(header);
				const inside = Buffer.concat([
					Buffer.alloc(offset, 0xa5),
					bytes,
					Buffer.from("tail"),
				]);
				const decoded = decode(inside, offset);
				assert.deepEqual(decoded.header, header);
				assert.equal(decoded.next, offset + bytes.length);
			}),
		);
	});

	test(`${name}: a header cut anywhere is a DecodeError`, () => {
		fc.assert(
			fc.property(headers, fc.nat(), (header, cut) => {
				const bytes = encode(header);
				const short = bytes.subarray(0, cut % bytes.length);
				assert.throws(() => decode(short), DecodeError);
			}),
		);
	});

	test(`${name}: random bytes give a header or a DecodeError`, () => {
		fc.assert(
			fc.property(
				fc.uint8Array({ maxLength: 120 }),
				fc.integer({ min: -2, max: 130 }),
				(bytes, offset) => {
					try {
						const { header, next } = decode(bytes, offset);
						assert.deepEqual(
							encode(header),
							Buffer.from(bytes.subarray(offset, next)),
						);
					} catch (error) {
						assert.ok(error instanceof DecodeError, String(error));
					}
				},
			),
			{ numRuns: 2000 },
		);
	});
}

roundTrip("ethernet", ethernet, encodeEthernet, decodeEthernet);
roundTrip("ipv4", ipv4, encodeIpv4, decodeIpv4);
roundTrip("ipv6", ipv6, encodeIpv6, decodeIpv6);
roundTrip("udp", udp, encodeUdp, decodeUdp);
roundTrip("tcp", tcp, encodeTcp, decodeTcp);
roundTrip("icmp", icmp, encodeIcmp, decodeIcmp);
roundTrip("nsh", nsh, encodeNsh, decodeNsh);
roundTrip("vxlan", vxlan, encodeVxlan, decodeVxlan);
roundTrip("gre", gre, encodeGre, decodeGre);

test("tcp options: decode(encode(x)) is x", () => {
	const option: Arbitrary<TcpOption> = fc.oneof(
		fc.constant({ kind: 1, data: Buffer.alloc(0) }),
		record({
			kind: uint(8, 2),
			data: fc.uint8Array({ maxLength: 10 }).map((b) => Buffer.from(b)),
		}),
	);
	fc.assert(
		fc.property(fc.array(option, { maxLength: 4 }), (options) => {
			const bytes = encodeTcpOptions(options);
			assert.equal(bytes.length % 4, 0);
			assert.deepEqual(decodeTcpOptions(bytes), options);
		}),
	);
	assert.throws(
		() => decodeTcpOptions(Buffer.from([2, 1])),
		/option 2 has length 1/,
	);
	assert.throws(() => decodeTcpOptions(Buffer.from([2, 4, 5])), DecodeError);
	assert.throws(() => decodeTcpOptions(Buffer.from([2])), DecodeError);
});

/** What a decoder says about a header that contradicts itself. */
const REFUSED: readonly [string, (bytes: Buffer) => unknown, string, RegExp][] =
	[
		[
			"IPv4 version",
			decodeIpv4,
			`65${"00".repeat(19)}`,
			/ipv4: version is 6, not 4/,
		],
		[
			"IPv4 header length",
			decodeIpv4,
			`44${"00".repeat(19)}`,
			/header length 4 words/,
		],
		[
			"IPv4 total length",
			decodeIpv4,
			`45000013${"00".repeat(16)}`,
			/total length 19/,
		],
		[
			"IPv6 version",
			decodeIpv6,
			`45${"00".repeat(39)}`,
			/ipv6: version is 4, not 6/,
		],
		[
			"IPv6 extension behind payload",
			decodeIpv6,
			`6000000000080040${"00".repeat(32)}3b01${"00".repeat(14)}`,
			/longer than the payload/,
		],
		["UDP length", decodeUdp, "0001000200070000", /udp: length 7/],
		[
			"TCP data offset",
			decodeTcp,
			`${"00".repeat(12)}4000${"00".repeat(6)}`,
			/tcp: data offset 4/,
		],
		[
			"NSH version",
			decodeNsh,
			`4fc60101000001ff${"00".repeat(16)}`,
			/nsh: version is 1, not 0/,
		],
		["NSH length", decodeNsh, "0fc10201000001ff", /nsh: length 1 words/],
		[
			"NSH MD type 1 length",
			decodeNsh,
			`0fc50101000001ff${"00".repeat(12)}`,
			/length is 5 words, MD type 1 has 6/,
		],
		[
			"NSH metadata length",
			decodeNsh,
			"0fc30201000001ff00000004",
			/metadata 0\/0: length 4 reaches behind/,
		],
		[
			"VXLAN-GPE version",
			decodeVxlan,
			"1c00000400000000",
			/vxlan: version is 1, not 0/,
		],
		["GRE version", decodeGre, "0001880b", /gre: version is 1, not 0/],
		["GRE source route", decodeGre, "40000800", /gre: has a source route/],
	];

for (const [name, decode, hex, message] of REFUSED) {
	test(`${name}: refused with the reason`, () => {
		assert.throws(
			() => decode(Buffer.from(hex, "hex")),
			(error) => error instanceof DecodeError && message.test(error.message),
		);
	});
}

test("a value that does not fit its field is a RangeError that names it", () => {
	const header = decodeNsh(Buffer.from("0fc20201000001ff", "hex")).header;
	assert.throws(
		() => encodeNsh({ ...header, ttl: 64 }),
		/ttl 64 does not fit 6 bits/,
	);
	assert.throws(() => encodeNsh({ ...header, spi: 2 ** 24 }), /spi .* 24 bits/);
	assert.throws(() => encodeNsh({ ...header, si: -1 }), /si -1/);
});
