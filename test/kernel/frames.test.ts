/** Frames for several interfaces in one system call. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { withNetns } from "../../src/kernel/enter.js";
import { Frame, FrameSocket } from "../../src/kernel/frames.js";
import { ensureVeth, ipBatch } from "../../src/kernel/ip.js";
import { ifindexOf } from "../../src/kernel/netns.js";
import { frame, joined } from "./fixture.js";

test("each frame leaves by its interface; one that is down or gone holds up nobody", async (t) => {
	const { a, b } = await joined(t);
	await ensureVeth({ name: "wa", netns: a }, { name: "wb", netns: b });
	await ensureVeth({ name: "xa", netns: a }, { name: "xb", netns: b });
	const [va, wa, xa] = ["va", "wa", "xa"].map(
		(name) => ifindexOf(name, a) ?? 0,
	);
	const socket = new FrameSocket(a);
	t.after(() => socket.close());
	const frames = [va, 999_999, wa, xa].map((at) => new Frame(at ?? 0, frame()));
	await ipBatch([["link", "set", "dev", "wa", "down"]], a);
	const before = received(b);
	const ROUNDS = 50;
	for (let i = 0; i < ROUNDS; i++) assert.equal(socket.send(frames), 2);
	const after = received(b);
	for (const name of ["vb", "xb"])
		assert.ok(
			(after.get(name) ?? 0) - (before.get(name) ?? 0) >= ROUNDS,
			`${name} got them`,
		);
	assert.equal(socket.send([]), 0);
});

/** Packets received so far, by interface. */
function received(netns: string): Map<string, number> {
	const table = withNetns(netns, () =>
		readFileSync("/proc/thread-self/net/dev", "utf8"),
	);
	return new Map(
		[...table.matchAll(/^\s*(\w+):\s*\d+\s+(\d+)/gm)].map(
			([, name = "", packets]) => [name, Number(packets)],
		),
	);
}
