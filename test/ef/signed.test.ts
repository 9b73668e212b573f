/** Packets with a MAC in their NSH (RFC 9145), against another implementation. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { MD1_PACKET_AT } from "../../src/functions/ef/frame.js";
import type { RefusalName } from "../../src/functions/ef/refusal.js";
import { MAX_SKEW_MS } from "../../src/functions/ef/signed.js";
import { HmacSha256 } from "../../src/kernel/hmac.js";
import { Memory } from "../../src/kernel/memory.js";
import {
	eth,
	ipv4,
	nsh,
	packet,
	raw,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import { decodePacket, layerOf } from "../../src/wire/decode.js";
import {
	decodeNshMac,
	encodeNshMac,
	NSH_MAC,
	nshTimestamp,
} from "../../src/wire/nsh-mac.js";
import { wrongChecksums } from "../../src/wire/verify.js";
import { CONTEXT, macKey, signing, tunnelled, USER } from "./frames.js";
import { InMemory } from "./memory.js";

const PATH = (7 << 8) | 255;
const KEY_ID = 5000;
const INNER = packet(...USER);
const TRANSFORMS = ["mac-header", "mac-packet"] as const;
type Transform = (typeof TRANSFORMS)[number];

interface Changes {
	readonly wallMs?: number;
	readonly keyId?: number;
	readonly path?: number;
}

/** As another implementation would send it: node:crypto and wire/nsh-mac. */
function sign(
	transform: Transform,
	key: Buffer,
	sequence: bigint,
	change: Changes = {},
): Buffer {
	const { wallMs = Date.now(), keyId = KEY_ID, path = PATH } = change;
	const context = Buffer.alloc(NSH_MAC.context);
	CONTEXT.forEach((word, i) => {
		context.writeUInt32BE(word, 4 * i);
	});
	context.writeBigUInt64BE(sequence, 16);
	const ours = { class: NSH_MAC.headerClass, type: NSH_MAC.headerType };
	const standard = { class: NSH_MAC.class, type: NSH_MAC.type };
	const head = (mac: Uint8Array) =>
		nsh({
			spi: path >> 8,
			si: path & 0xff,
			nextProtocol: 1,
			metadata: {
				kind: "tlvs",
				tlvs: [
					{
						...{ class: NSH_MAC.contextClass, type: NSH_MAC.contextType },
						...{ unassigned: false, value: context },
					},
					{
						...(transform === "mac-header" ? ours : standard),
						unassigned: false,
						value: encodeNshMac({
							keyId,
							timestamp: nshTimestamp(wallMs),
							mac,
						}),
					},
				],
			},
		});
	const zero = packet(head(Buffer.alloc(NSH_MAC.mac)));
	const hmac = createHmac("sha256", key).update(zero.subarray(4));
	if (transform === "mac-packet") hmac.update(INNER);
	return packet(
		eth(),
		ipv4({ src: "192.0.2.1", dst: "192.0.2.2", dontFragment: true }),
		udp({ checksum: 0 }),
		vxlanGpe(),
		head(hmac.digest().subarray(0, NSH_MAC.mac)),
		raw(INNER),
	);
}

function receiver(transform: Transform, key: Buffer): InMemory {
	const ef = new InMemory();
	ef.core.install(signing("in", transform, PATH, key));
	return ef;
}

function refuses(ef: InMemory, frame: Buffer, reason: RefusalName): void {
	const before = ef.core.usage().in.refused;
	assert.equal(ef.frame("outside", frame), undefined);
	const after = ef.core.usage().in.refused;
	assert.deepEqual(after, { ...before, [reason]: before[reason] + 1 });
}

test("HMAC-SHA-256: the vectors of RFC 4231", () => {
	const long = "aa".repeat(131);
	const vectors: [key: string, data: string, mac: string][] = [
		[
			"0b".repeat(20),
			"4869205468657265",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		],
		[
			"aa".repeat(20),
			"dd".repeat(50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		],
		[
			long,
			Buffer.from(
				"Test Using Larger Than Block-Size Key - Hash Key First",
			).toString("hex"),
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		],
	];
	const memory = Memory.allocate(4096);
	for (const [key, data, mac] of vectors) {
		const hmac = new HmacSha256(Buffer.from(key, "hex"));
		const bytes = memory.bytes.write(data, 64, "hex");
		for (let again = 0; again < 2; again++) {
			memory.bytes.fill(0, 0, 32);
			hmac.sign(memory.address + 64, bytes, memory.address);
			assert.equal(memory.bytes.toString("hex", 0, 32), mac);
		}
		hmac.free();
		assert.throws(() => hmac.sign(memory.address, 1, memory.address), /freed/);
	}
});

for (const transform of TRANSFORMS) {
	test(`${transform}: what is signed is what another implementation signs`, () => {
		const key = macKey();
		const ef = new InMemory();
		ef.core.install(signing("out", transform, PATH, key));
		const frame = tunnelled(PATH);
		for (let sequence = 1n; sequence <= 3n; sequence++) {
			const out = ef.frame("inside", frame);
			assert.ok(out);
			const decoded = decodePacket(out);
			assert.deepEqual(wrongChecksums(decoded), []);
			const metadata = layerOf(decoded, "nsh")?.metadata;
			assert.equal(metadata?.kind, "tlvs");
			assert.ok(metadata.kind === "tlvs" && metadata.tlvs[1]);
			const { header } = decodeNshMac(metadata.tlvs[1].value);
			assert.equal(header.keyId, KEY_ID);
			const wallMs = Number((header.timestamp * 1000n) >> 32n) + 1;
			assert.ok(Math.abs(wallMs - Date.now()) < MAX_SKEW_MS);
			const theirs = sign(transform, key, sequence, {
				wallMs: ef.clock.wallMs,
			});
			const nshAt = MD1_PACKET_AT - 24;
			/* All but the base header, which is signed by none. */
			assert.deepEqual(out.subarray(nshAt + 4), theirs.subarray(nshAt + 4));
			const back = receiver(transform, key);
			assert.deepEqual(back.frame("outside", out), frame);
			back.core.close();
		}
		ef.core.close();
	});

	test(`${transform}: takes what another implementation signs, once`, () => {
		const key = macKey();
		const ef = receiver(transform, key);
		const [first, late, turn] = [5n, 3n, (1n << 32n) + 5n].map((sequence) =>
			sign(transform, key, sequence),
		);
		assert.ok(first && late && turn);
		for (const frame of [first, late, turn]) {
			const out = ef.frame("outside", frame);
			assert.ok(out);
			assert.deepEqual(out.subarray(MD1_PACKET_AT), INNER);
			const metadata = layerOf(decodePacket(out), "nsh")?.metadata;
			assert.deepEqual(metadata, { kind: "context", words: CONTEXT });
		}
		refuses(ef, turn, "replayed");
		refuses(ef, first, "tooOld");
		ef.core.close();
	});

	test(`${transform}: whatever it covers cannot be changed`, () => {
		const key = macKey();
		const ef = receiver(transform, key);
		const genuine = sign(transform, key, 7n);
		const nshAt = MD1_PACKET_AT - 24;
		const packetAt = nshAt + 72;
		/* Context, sequence number, timestamp, MAC; the packet's last byte. */
		for (const at of [12, 27, 35, 45, 49, 54, 69]) {
			const forged = Buffer.from(genuine);
			forged[nshAt + at] = (forged[nshAt + at] ?? 0) ^ 1;
			const stale = at === 45;
			refuses(ef, forged, stale ? "stale" : "badMac");
		}
		const last = genuine.length - 1;
		const forged = Buffer.from(genuine);
		forged[last] = (forged[last] ?? 0) ^ 1;
		assert.ok(last > packetAt);
		if (transform === "mac-packet") refuses(ef, forged, "badMac");
		assert.ok(ef.frame("outside", genuine));
		refuses(ef, genuine, "replayed");
		ef.core.close();
	});
}

test("signed: of another path, key, layout or time is refused by its reason", () => {
	const key = macKey();
	const ef = receiver("mac-packet", key);
	const of = (change: Changes, sequence = 1n) =>
		sign("mac-packet", key, sequence, change);
	const now = ef.clock.wallMs;
	refuses(ef, of({ path: PATH + 256 }), "wrongPath");
	refuses(ef, of({ keyId: 5001 }), "unknownSpi");
	refuses(ef, of({ wallMs: now - MAX_SKEW_MS - 2 }), "stale");
	refuses(ef, of({ wallMs: now + MAX_SKEW_MS + 2 }), "stale");
	refuses(ef, sign("mac-packet", macKey(), 1n), "badMac");
	refuses(ef, sign("mac-header", key, 1n), "malformed");
	/* Not signed at all, and signed but said to be of MD type 1. */
	refuses(ef, tunnelled(PATH), "notEsp");
	const nshAt = MD1_PACKET_AT - 24;
	for (const [at, value] of [
		[1, 0x11],
		[2, 0x01],
		[10, 0x03],
		[40, 0x05],
		[53, 0x08],
		[71, 0x01],
	] as const) {
		const changed = of({});
		changed[nshAt + at] = value;
		refuses(ef, changed, "malformed");
	}
	assert.ok(ef.frame("outside", of({ wallMs: now - MAX_SKEW_MS + 500 })));
	ef.core.close();
});

test("signed: frames of MD type 2 from inside, and limits", () => {
	const key = macKey();
	const ef = new InMemory();
	const hard = { packets: 2 };
	ef.core.install(signing("out", "mac-header", PATH, key, { hard }));
	const md2 = sign("mac-header", key, 1n);
	assert.equal(ef.frame("inside", md2), undefined);
	assert.equal(ef.core.usage().out.refused.malformed, 1);
	const sent = [1, 2, 3].map(() => ef.frame("inside", tunnelled(PATH)));
	assert.deepEqual(
		sent.map((frame) => frame !== undefined),
		[true, true, false],
	);
	assert.deepEqual(
		ef.events.map(({ kind, limit }) => `${kind} ${limit}`),
		["expired packets"],
	);
	const wrong = { ...signing("in", "mac-header", 0, key) };
	assert.throws(() => ef.core.install(wrong), /without NSH/);
	const short = { ...signing("in", "mac-header", PATH, key.subarray(0, 16)) };
	assert.throws(() => ef.core.install(short), /16 bytes/);
	assert.ok(short.key.every((byte) => byte === 0));
	ef.core.close();
});
