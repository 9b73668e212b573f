/** What golden rows expect of frames whose every byte they do not fix. */
import assert from "node:assert/strict";
import { decodePacket, layerOf } from "../../src/wire/decode.js";
import type { Nsh } from "../../src/wire/nsh.js";
import { wrongChecksums } from "../../src/wire/verify.js";

const ETHERNET = 14;

/** The IP packet inside the frame is this one; MACs may be any. */
export function expectIp(frame: Buffer, ip: Buffer): void {
	assert.deepEqual(frame.subarray(ETHERNET), ip);
}

/** An ICMP or ICMPv6 error that names the MTU, with right checksums. */
export function expectTooBig(frame: Buffer, mtu: number): void {
	expectError(frame, { 4: [3, 4], 6: [2, 0] }, mtu);
}

/** "Time exceeded", whose last four bytes are 0 (RFC 792, RFC 4443 section 3.3). */
export function expectExpired(frame: Buffer): void {
	expectError(frame, { 4: [11, 0], 6: [3, 0] }, 0);
}

/** Type and code by family, and what follows the checksum. */
function expectError(
	frame: Buffer,
	kinds: Readonly<Record<4 | 6, readonly [type: number, code: number]>>,
	rest: number,
): void {
	const packet = decodePacket(frame);
	const error = layerOf(packet, "icmp") ?? layerOf(packet, "icmpv6");
	assert.ok(error, "is no ICMP packet");
	const [type, code] = kinds[layerOf(packet, "ipv4") ? 4 : 6];
	assert.deepEqual(
		{ type: error.type, code: error.code, rest: error.rest },
		{ type, code, rest },
	);
	assert.deepEqual(wrongChecksums(packet), []);
	assert.ok(packet.embedded, "quotes no packet");
}

export interface ExpectedTunnel {
	readonly spi: number;
	readonly si: number;
	readonly ttl: number;
	readonly inner: Buffer;
}

/** A frame from edge1 to edge2: VXLAN-GPE, NSH, and what is inside, unchanged. */
export function expectTunnel(frame: Buffer, expected: ExpectedTunnel): void {
	const packet = decodePacket(frame);
	const ip = layerOf(packet, "ipv4");
	const udp = layerOf(packet, "udp");
	const nsh = layerOf(packet, "nsh");
	assert.ok(ip && udp && nsh, "is no VXLAN-GPE with NSH");
	assert.deepEqual([ip.src, ip.dst], ["192.0.2.1", "192.0.2.5"]);
	assert.equal(ip.totalLength, frame.length - ETHERNET);
	assert.equal(udp.length, frame.length - ETHERNET - 20);
	assert.ok(udp.sport >= 49152, "source port is not dynamic");
	assert.deepEqual(
		{ spi: nsh.spi, si: nsh.si, ttl: nsh.ttl },
		{ spi: expected.spi, si: expected.si, ttl: expected.ttl },
	);
	assert.deepEqual(wrongChecksums(packet), []);
	assert.deepEqual(
		frame.subarray(frame.length - expected.inner.length),
		expected.inner,
	);
}

/** These fields of the NSH. */
export function expectNsh(frame: Buffer, expected: Partial<Nsh>): void {
	const found = layerOf(decodePacket(frame), "nsh");
	assert.ok(found, "is no VXLAN-GPE with NSH");
	assert.deepEqual(found, { ...found, ...expected });
}
