/** Collapsed paths: when a flow takes a shortcut, and when it has to walk. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceFlags } from "../../../src/kernel/layout.gen.js";
import { ipv4, tcp } from "../../../src/wire/build.js";
import * as f from "../../golden/frames.js";
import { access } from "../../golden/row.js";
import {
	establish,
	give,
	isSkipped,
	type Opened,
	open,
	shortcuts,
	skippedBy,
	until,
} from "./firewall.js";

/** Runs packets, each the same to the last byte, until one takes a shortcut. */
async function ride(at: Opened): Promise<number> {
	const before = shortcuts(at);
	let packets = 0;
	await until("a packet takes a shortcut", () => {
		packets++;
		assert.equal(isSkipped(at, "A"), true);
		return shortcuts(at) > before;
	});
	return packets;
}

test("a flow that skips all functions takes a shortcut, and its states count it", async () => {
	const at = open();
	at.world.maps.epochs.set(0, { now: 1, learning: 1 });
	establish(at);
	assert.equal(isSkipped(at, "A"), true);
	assert.equal(shortcuts(at), 0, "the first one walks");
	const ridden = await ride(at);
	at.world.maps.epochs.set(0, { now: 2, learning: 1 });
	const before = shortcuts(at);
	assert.equal(isSkipped(at, "A"), true);
	assert.equal(shortcuts(at), before, "another epoch: it walks");
	assert.equal(skippedBy(at), ridden + 2, "and tells what passed");
	assert.equal(at.counted("SKIPPED"), ridden + 2);
	await ride(at);
	await until("a moment later it walks again", () => {
		const before = shortcuts(at);
		at.run(give("A"));
		return shortcuts(at) === before;
	});
	at.world.close();
});

test("no shortcut outlives a verdict, a function or a connection", async () => {
	for (const [what, end] of [
		["rules", (at: Opened) => at.set({ generation: 2 })],
		["down", (at: Opened) => at.set({ flags: ServiceFlags.DOWN })],
		["end", (at: Opened) => at.run(give("FA"))],
	] as const) {
		const at = open();
		at.world.maps.epochs.set(0, { now: 1, learning: 1 });
		establish(at);
		await ride(at);
		const before = shortcuts(at);
		end(at);
		if (what !== "end") at.world.maps.epochs.set(0, { now: 2, learning: 1 });
		at.run(give("A"));
		assert.equal(shortcuts(at), before, what);
		at.world.close();
	}
});

test("a FIN or RST that no endpoint can have sent is data", () => {
	for (const flags of ["FA", "R", "RA"]) {
		const at = open();
		at.world.maps.epochs.set(0, { now: 1, learning: 1 });
		establish(at);
		for (let i = 0; i < 2; i++) assert.equal(isSkipped(at, "A"), true);
		const forged = tcp({
			sport: 40000,
			dport: 80,
			flags,
			seq: 0x4000_0000,
		});
		const { data } = at.run(access(f.fromUser(f.up4, forged)));
		assert.deepEqual(
			data,
			f.toServer(ipv4({ src: f.USER, dst: f.SERVER, ttl: 62 }), forged),
			"past the firewall",
		);
		assert.equal(at.counted("OUTSIDE_WINDOW"), 1);
		assert.equal(isSkipped(at, "A"), true, "the flow stays learned");
		assert.equal(isSkipped(at, flags), false, "a true end is the function's");
		at.world.close();
	}
});
