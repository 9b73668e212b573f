/** The core of the user-space engine, on frames in memory. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ETHERNET_BYTES, MD1_PACKET_AT } from "../../src/functions/ef/frame.js";
import type { SaSpec } from "../../src/functions/ef/sa.js";
import { eth, ipv4, packet, raw } from "../../src/wire/build.js";
import { decodePacket, layerOf } from "../../src/wire/decode.js";
import { wrongChecksums } from "../../src/wire/verify.js";
import { dataTest } from "../data.js";
import { Random, REPLAY, SEED } from "../random.js";
import { conformance, type Subject } from "./conformance.js";
import { tunnelled, USER } from "./frames.js";
import { InMemory } from "./memory.js";

function open(): Promise<Subject> {
	const { core, events, frame } = bound(new InMemory());
	return Promise.resolve({
		engine: {
			kind: "userspace",
			install: async (spec) => core.install(spec),
			remove: async (direction, spi) => core.remove(direction, spi),
			usage: async () => core.usage(),
			close: async () => core.close(),
		},
		events,
		give: async (from, packets) =>
			packets
				.map((inner) => frame(from, framed(inner)))
				.filter((out) => out !== undefined)
				.map((out) => out.subarray(ETHERNET_BYTES)),
		close: async () => core.close(),
	});
}

function bound(memory: InMemory) {
	const { core, events } = memory;
	return { core, events, frame: memory.frame.bind(memory) };
}

function framed(inner: Buffer): Buffer {
	const type = (inner[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800;
	return packet(eth({ etherType: type }), raw(inner));
}

conformance("core", open);

function secrets() {
	return { key: new Uint8Array(16).fill(1), salt: new Uint8Array(4).fill(2) };
}

function spec(direction: "out" | "in", path = 0, spi = 1000): SaSpec {
	const tunnel = { src: "192.0.2.1", dst: "192.0.2.2" };
	const transform = "esp";
	return {
		direction,
		transform,
		spi,
		...secrets(),
		tunnel,
		extended: true,
		path,
	};
}

dataTest(
	"core: opens the vectors of DPDK, and refuses them changed",
	(data) => {
		const file = join(data, "esp/dpdk-ipsec-aes-128-gcm.json");
		const { vectors } = JSON.parse(readFileSync(file, "utf8")) as {
			vectors: Record<"key" | "salt" | "input" | "output" | "spi", string>[];
		};
		assert.equal(vectors.length, 2);
		for (const vector of vectors) {
			const ef = new InMemory();
			const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
			ef.core.install({
				...spec("in", 0, Number(vector.spi)),
				key: hex(vector.key),
				salt: hex(vector.salt),
				extended: false,
			});
			const packet = Buffer.from(hex(vector.output));
			for (let at = 24; at < packet.length; at++) {
				const changed = Buffer.from(packet);
				changed[at] = (changed[at] ?? 0) ^ 0x40;
				assert.equal(ef.frame("outside", framed(changed)), undefined);
			}
			const opened = ef.frame("outside", framed(packet));
			assert.deepEqual(
				opened?.subarray(ETHERNET_BYTES),
				Buffer.from(hex(vector.input)),
			);
			ef.core.close();
		}
	},
);

test("core: an NSH leads to the SA of its path and comes back as it was", () => {
	const ef = new InMemory();
	const paths = [(7 << 8) | 255, (8 << 8) | 254];
	paths.forEach((path, i) => {
		ef.core.install(spec("out", path, 1000 + i));
		ef.core.install(spec("in", path, 1000 + i));
	});
	const frames = paths.map((path) => tunnelled(path));
	const sealed = frames.map((frame) => {
		const out = ef.frame("inside", frame);
		assert.ok(out);
		return out;
	});
	sealed.forEach((out, i) => {
		const decoded = decodePacket(out);
		assert.equal(layerOf(decoded, "eth")?.dst, "02:00:00:00:00:03");
		assert.equal(layerOf(decoded, "nsh")?.spi, (paths[i] ?? 0) >> 8);
		assert.deepEqual(wrongChecksums(decoded), []);
		assert.equal(decoded.payload.readUInt32BE(0), 1000 + i);
		assert.equal(out.includes(frames[i]?.subarray(-99) ?? ""), false);
	});
	const [first, second] = sealed;
	assert.ok(first && second);
	/* The packet of one path under the NSH of the other. */
	const moved = Buffer.concat([
		second.subarray(0, MD1_PACKET_AT),
		first.subarray(MD1_PACKET_AT),
	]);
	assert.equal(ef.frame("outside", moved), undefined);
	assert.equal(ef.core.usage().in.refused.wrongPath, 1);
	assert.deepEqual(
		sealed.map((out) => ef.frame("outside", out)),
		frames,
	);
	ef.core.close();
});

test("core: a tunnel with anything unusual in it is malformed", () => {
	const ef = new InMemory();
	ef.core.install(spec("out", (7 << 8) | 255));
	const frame = tunnelled((7 << 8) | 255);
	/* Byte and value: lengths, a fragment, VXLAN's flags and content, NSH's. */
	const changes: readonly (readonly [at: number, value: number])[] = [
		[17, 1],
		[21, 8],
		[39, 9],
		[42, 0x1c],
		[42, 0x08],
		[42, 0x0d],
		[45, 3],
		[50, 0x4f],
		[51, 0xc5],
		[52, 2],
	];
	for (const [at, value] of changes) {
		const changed = Buffer.from(frame);
		changed[at] = value;
		assert.equal(ef.frame("inside", changed), undefined, `byte ${at}`);
	}
	const oam = tunnelled((7 << 8) | 255, USER, true);
	assert.equal(ef.frame("inside", oam), undefined);
	const { refused } = ef.core.usage().out;
	assert.equal(refused.malformed, changes.length + 1);
	assert.ok(ef.frame("inside", frame));
	ef.core.close();
});

test("core: what the other side has no room for is refused", () => {
	const ef = new InMemory();
	ef.core.install(spec("out"));
	const sized = (bytes: number) =>
		framed(
			packet(
				ipv4({ src: "10.0.0.1", dst: "10.0.0.2" }),
				raw(Buffer.alloc(bytes)),
			),
		);
	/* Outer header 20, SPI and number 8, IV 8, trailer 2, ICV 16. */
	assert.equal(ef.frame("inside", sized(1426))?.length, 1500 + ETHERNET_BYTES);
	assert.equal(ef.frame("inside", sized(1427)), undefined);
	assert.equal(ef.core.usage().out.refused.tooBig, 1);
	ef.core.close();
});

test(`core: random frames do no harm and are all counted (${REPLAY})`, () => {
	const random = new Random(SEED);
	const ef = new InMemory();
	const bare = framed(packet(...USER));
	const path = (7 << 8) | 255;
	const pairs = [
		{ path: 0, spi: 1000, inside: bare },
		{ path, spi: 1001, inside: tunnelled(path) },
	].map(({ path, spi, inside }) => {
		ef.core.install(spec("out", path, spi));
		ef.core.install(spec("in", path, spi));
		const outside = ef.frame("inside", inside);
		assert.ok(outside);
		return { inside, outside };
	});
	let given = pairs.length;
	for (let i = 0; i < 20_000; i++) {
		const side = random.pick(["inside", "outside"] as const);
		const base = Buffer.from(random.pick(pairs)[side]);
		for (let n = random.below(4); n >= 0; n--)
			base[random.below(base.length)] = random.below(256);
		ef.frame(side, base.subarray(0, random.below(base.length + 1)));
		given++;
	}
	const usage = ef.core.usage();
	const counted = [usage.out, usage.in].flatMap(({ packets, refused }) => [
		packets,
		...Object.values(refused),
	]);
	assert.equal(
		counted.reduce((sum, count) => sum + count, 0),
		given,
	);
	ef.core.close();
});

test("core: an SA ends when its time is over, and its key is wiped", () => {
	const ef = new InMemory();
	const path = (7 << 8) | 255;
	const frame = tunnelled(path);
	const untilMs = ef.clock.nowMs + 1000;
	for (const direction of ["out", "in"] as const)
		ef.core.install({ ...spec(direction, path), hard: { untilMs } });
	ef.clock.nowMs = untilMs - 1;
	const sealed = ef.frame("inside", frame);
	assert.ok(sealed);
	ef.clock.nowMs = untilMs;
	assert.equal(ef.frame("inside", frame), undefined);
	assert.equal(ef.frame("outside", sealed), undefined);
	const told = { kind: "expired", spi: 1000, limit: "time" };
	assert.deepEqual(ef.events, [
		{ ...told, direction: "out" },
		{ ...told, direction: "in" },
	]);
	ef.core.endOverdue();
	assert.equal(ef.frame("inside", frame), undefined);
	const usage = ef.core.usage();
	assert.equal(usage.out.refused.expired, 2);
	assert.equal(usage.in.refused.expired, 1);
	assert.ok(usage.sas.every(({ expired }) => expired));
	ef.core.close();
});
