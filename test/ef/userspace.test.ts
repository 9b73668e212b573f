/** The user-space engine from ring to ring, in namespaces. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { buildEncryptedLine, openEngine } from "../../lab/ef.js";
import { encryptedLineAddresses } from "../../lab/topologies/encrypted-line.js";
import type { EfEngine } from "../../src/functions/ef/engine.js";
import type {
	SaEvent,
	SaSpec,
	SaTransform,
} from "../../src/functions/ef/sa.js";
import { UserspaceEngine } from "../../src/functions/ef/userspace.js";
import {
	eth,
	ipv4,
	ipv6,
	nsh,
	packet,
	raw,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import { conformance, settled } from "./conformance.js";
import { Tap } from "./tap.js";

const DEADLINE_MS = 10_000;
const ETHERNET_BYTES = 14;

const lab = await buildEncryptedLine();
after(() => lab.destroy());

async function until(what: string, holds: () => Promise<boolean> | boolean) {
	const deadline = Date.now() + DEADLINE_MS;
	while (!(await holds())) {
		if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
		await delay(1);
	}
}

function framed(inner: Buffer): Buffer {
	const etherType = (inner[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800;
	return packet(eth({ etherType }), raw(inner));
}

conformance("rings", async () => {
	const events: SaEvent[] = [];
	const engine = await openEngine(lab, "ef1", {
		onEvent: (event) => events.push(event),
	});
	const taps = {
		inside: new Tap(lab.netns("left"), "in"),
		outside: new Tap(lab.netns("ef2"), "outside"),
	};
	return {
		engine,
		events,
		give: async (from, packets) => {
			const [here, there] =
				from === "inside"
					? [taps.inside, taps.outside]
					: [taps.outside, taps.inside];
			const before = await engine.usage();
			for (const inner of packets) here.put(framed(inner));
			await dealtWith(engine, settled(before) + packets.length);
			const usage = await engine.usage();
			const direction = from === "inside" ? "out" : "in";
			const passed = usage[direction].packets - before[direction].packets;
			await until("frames to come out", () => there.count >= passed);
			return there.take().map((frame) => frame.subarray(ETHERNET_BYTES));
		},
		close: async () => {
			taps.inside.close();
			taps.outside.close();
			await engine.close();
		},
	};
});

async function dealtWith(engine: EfEngine, count: number): Promise<void> {
	await until(
		"packets to be dealt with",
		async () => settled(await engine.usage()) >= count,
	);
}

/** Gives both EFs an SA of a path in each direction. */
async function join(
	[left, right]: readonly [EfEngine, EfEngine],
	path: number,
	spi: number,
	transform: SaTransform = "esp",
): Promise<void> {
	const key = randomBytes(transform === "esp" ? 16 : 32);
	const spec = (direction: "out" | "in", spi: number): SaSpec => ({
		direction,
		transform,
		spi,
		key: new Uint8Array(key),
		salt: new Uint8Array(transform === "esp" ? 4 : 0),
		tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
		extended: true,
		path,
	});
	await left.install(spec("out", spi));
	await right.install(spec("in", spi));
	await left.install(spec("in", spi + 0x10000));
	await right.install(spec("out", spi + 0x10000));
}

async function engines(
	workers: number,
): Promise<[UserspaceEngine, UserspaceEngine]> {
	const options = { workers, onEvent: () => {} };
	const left = await openEngine(lab, "ef1", options);
	try {
		return [left, await openEngine(lab, "ef2", options)];
	} catch (error) {
		await left.close();
		throw error;
	}
}

test("two EFs, two workers: what went in comes out, byte for byte", async () => {
	const pair = await engines(2);
	const taps = ["left", "right"].map((host) => new Tap(lab.netns(host), "in"));
	const wire = new Tap(lab.netns("ef2"), "outside");
	try {
		const paths = Array.from({ length: 8 }, (_, i) => ((20 + i) << 8) | 250);
		for (const [i, path] of paths.entries())
			await join(pair, path, 5000 + i, i % 2 ? "esp" : "mac-packet");
		const marker = randomBytes(16);
		const frames = Array.from({ length: 400 }, (_, i) => {
			const path = paths[i % paths.length] ?? 0;
			const ip =
				i % 3 === 0
					? ipv6({ src: "fd00::1", dst: "fd00::2" })
					: ipv4({ src: "10.0.0.1", dst: "10.0.0.2" });
			const content = Buffer.concat([marker, randomBytes((i * 37) % 1340)]);
			const head = [
				ipv4({ src: "192.0.2.1", dst: "192.0.2.2", dontFragment: true }),
				udp({ checksum: 0 }),
				vxlanGpe(),
				nsh({ spi: path >> 8, si: path & 0xff }),
			];
			return packet(eth({}), ...head, ip, udp({ dport: 9 }), raw(content));
		});
		const [left, right] = taps;
		assert.ok(left && right);
		for (const [from, to] of [
			[left, right],
			[right, left],
		] as const) {
			/* Fewer than any ring holds are on their way. */
			for (let sent = 0; sent < frames.length; sent += 50) {
				for (const frame of frames.slice(sent, sent + 50)) from.put(frame);
				await until("50 to arrive", () => to.count === sent + 50);
			}
			/* Paths keep their order, workers may overtake each other. */
			const content = (frame: Buffer) =>
				frame.subarray(ETHERNET_BYTES).toString("hex");
			assert.deepEqual(
				to.take().map(content).sort(),
				frames.map(content).sort(),
			);
		}
		/* Half of the paths are signed, and readable; the others are encrypted. */
		const wired = wire.take();
		assert.equal(wired.length, frames.length);
		const readable = wired.filter((frame) => frame.includes(marker));
		assert.equal(readable.length, frames.length / 2);
		assert.ok(readable.every(isSigned));
		for (const engine of pair) {
			const { sas, out, in: back } = await engine.usage();
			assert.ok(sas.every(({ packets }) => packets === frames.length / 8));
			assert.equal(out.packets + back.packets, 2 * frames.length);
			assert.equal(
				Object.values({ ...out.refused, ...back.refused }).reduce(
					(sum, count) => sum + count,
				),
				0,
			);
		}
	} finally {
		for (const tap of [...taps, wire]) tap.close();
		await Promise.all(pair.map((engine) => engine.close()));
	}
});

test("two EFs: each hears the other's heart, and that it has stopped", async () => {
	const [left, right] = await engines(2);
	try {
		const told: string[] = [];
		const listen = (engine: UserspaceEngine, nodeId: number, peers: number[]) =>
			engine.heartbeat({
				...{ nodeId, peers, intervalMs: 10 },
				onChange: (peer, alive) => told.push(`${nodeId}: ${peer} ${alive}`),
			});
		await listen(left, 1, [2, 3]);
		await listen(right, 2, [1]);
		await until("both to live", () =>
			["1: 2 true", "2: 1 true", "1: 3 false"].every((t) => told.includes(t)),
		);
		/* It heard the left one's before it listened to any. */
		const { refused: early } = (await right.usage()).in;
		assert.ok(Object.values(early).every((count) => count === 0));
		await right.close();
		await until("silence", () => told.includes("1: 2 false"));
		const { refused } = (await left.usage()).in;
		assert.ok(Object.values(refused).every((count) => count === 0));
	} finally {
		await Promise.all([left.close(), right.close()]);
	}
});

const RECEIVE = `
const hash = require("node:crypto").createHash("sha256");
require("node:net").createServer((socket) => {
	socket.on("data", (data) => hash.update(data));
	socket.on("end", () => { socket.end(hash.digest("hex")); process.exitCode = 0; });
	socket.on("close", () => process.exit());
}).listen(7000, () => console.log("ready"));`;

const SEND = `
const { createHash, randomBytes } = require("node:crypto");
const block = randomBytes(1 << 20);
const hash = createHash("sha256");
const socket = require("node:net").connect(7000, process.argv[1]);
for (let i = 0; i < 16; i++) { hash.update(block); socket.write(block); }
socket.end();
let answer = "";
socket.on("data", (data) => { answer += data; });
socket.on("close", () => console.log(answer === hash.digest("hex") ? "same" : "differs"));`;

test("two EFs: TCP as the kernel sends it, super-packets and all", async () => {
	const pair = await engines(1);
	try {
		await join(pair, 0, 9000);
		const server = lab.host("right").start([process.execPath, "-e", RECEIVE]);
		await until("the server", () => server.stdout.includes("ready"));
		const said = await lab
			.host("left")
			.must([process.execPath, "-e", SEND, encryptedLineAddresses.right]);
		assert.equal(said.trim(), "same");
		await server.stop();
		const { out } = await pair[0].usage();
		assert.equal(out.refused.unfinished, 0);
	} finally {
		await Promise.all(pair.map((engine) => engine.close()));
	}
});

test("frames that find no room count, each once", async () => {
	const engine = await openEngine(lab, "ef1", {
		slots: 128,
		onEvent: () => {},
	});
	const tap = new Tap(lab.netns("left"), "in");
	try {
		const frame = framed(Buffer.alloc(40));
		let sent = 0;
		await until("the ring is full", async () => {
			for (let i = 0; i < 1000; i++, sent++) tap.put(frame);
			await dealtWith(engine, sent);
			return (await engine.usage()).out.refused.overrun > 0;
		});
		assert.equal(settled(await engine.usage()), sent);
	} finally {
		tap.close();
		await engine.close();
	}
});

test("an engine without its interface does not start, a closed one has ended", async () => {
	const side = { dst: Buffer.alloc(6), src: Buffer.alloc(6), mtuBytes: 1500 };
	const before = packetSockets();
	await assert.rejects(
		UserspaceEngine.open({
			netns: lab.netns("ef1"),
			inside: { ...side, interface: "absent" },
			outside: { ...side, interface: "outside" },
			onEvent: () => {},
			onFailure: () => {},
		}),
		/open interface absent: no such interface/,
	);
	const engine = await openEngine(lab, "ef1", { onEvent: () => {} });
	await engine.close();
	await engine.close();
	await assert.rejects(engine.usage(), /worker ended/);
	assert.equal(packetSockets(), before);
});

/** Its NSH is of MD type 2. */
function isSigned(frame: Buffer): boolean {
	return frame[52] === 2;
}

/** Sockets of this process; other descriptors come and go with the runtime. */
function packetSockets(): number {
	const folder = "/proc/self/fd";
	return readdirSync(folder).filter((fd) => {
		try {
			return readlinkSync(`${folder}/${fd}`).startsWith("socket:");
		} catch {
			/* The listing's own. */
			return false;
		}
	}).length;
}
