import assert from "node:assert/strict";
import { test } from "node:test";
import fc, { type Arbitrary } from "fast-check";
import * as arbitrary from "../../test/arbitraries.js";
import { type Decoded, DecodeError } from "./bytes.js";
import { decodeEthernet, encodeEthernet } from "./ethernet.js";
import { decodeGre, encodeGre } from "./gre.js";
import { decodeIcmp, encodeIcmp } from "./icmp.js";
import { decodeIpv4, encodeIpv4 } from "./ipv4.js";
import { decodeIpv6, encodeIpv6 } from "./ipv6.js";
import { decodeNsh, encodeNsh } from "./nsh.js";
import {
	decodeTcp,
	decodeTcpOptions,
	encodeTcp,
	encodeTcpOptions,
	type TcpOption,
} from "./tcp.js";
import { decodeUdp, encodeUdp } from "./udp.js";
import { decodeVxlan, encodeVxlan } from "./vxlan.js";

function roundTrip<T>(
	name: string,
	headers: Arbitrary<T>,
	encode: (header: T) => Buffer,
	decode: (bytes: Uint8Array, offset?: number) => Decoded<T>,
): void {
	test(`${name}: decode(encode(x)) is x, wherever it stands`, () => {
		fc.assert(
			fc.property(headers, arbitrary.uint(4), (header, offset) => {
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

roundTrip("ethernet", arbitrary.ethernet, encodeEthernet, decodeEthernet);
roundTrip("ipv4", arbitrary.ipv4, encodeIpv4, decodeIpv4);
roundTrip("ipv6", arbitrary.ipv6, encodeIpv6, decodeIpv6);
roundTrip("udp", arbitrary.udp, encodeUdp, decodeUdp);
roundTrip("tcp", arbitrary.tcp, encodeTcp, decodeTcp);
roundTrip("icmp", arbitrary.icmp, encodeIcmp, decodeIcmp);
roundTrip("nsh", arbitrary.nsh, encodeNsh, decodeNsh);
roundTrip("vxlan", arbitrary.vxlan, encodeVxlan, decodeVxlan);
roundTrip("gre", arbitrary.gre, encodeGre, decodeGre);

test("tcp options: decode(encode(x)) is x", () => {
	const option: Arbitrary<TcpOption> = fc.oneof(
		fc.constant({ kind: 1, data: Buffer.alloc(0) }),
		arbitrary.record({
			kind: arbitrary.uint(8, 2),
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
