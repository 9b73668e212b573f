/** What is learned from a function, and what ends it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Offload, ServiceFlags } from "../../../src/kernel/layout.gen.js";
import { ipv4, tcp, udp } from "../../../src/wire/build.js";
import * as f from "../../golden/frames.js";
import { access, exit, port } from "../../golden/row.js";
import {
	establish,
	give,
	giveBack,
	isSkipped,
	open,
	until,
} from "./firewall.js";

test("a flow skips a function that has let its established connection pass", () => {
	const at = open();
	establish(at);
	assert.equal(isSkipped(at, "A"), true);
	assert.equal(isSkipped(at, "PA"), true);
	assert.equal(at.counted("LEARNED"), 1);
	assert.equal(at.counted("SKIPPED"), 2);
	at.world.close();
});

test("nothing is learned where the function's type does not permit it", () => {
	const at = open({ offload: Offload.NONE });
	establish(at);
	assert.equal(isSkipped(at, "A"), false);
	at.world.close();
});

test("a first packet that comes back is enough for UDP, or as many as are asked", () => {
	const datagram = udp({ sport: 40000, dport: 53 });
	for (const [learnAfter, needed] of [
		[0, 1],
		[3, 3],
	] as const) {
		const at = open({ learnAfter });
		const out = access(f.fromUser(f.up4, datagram));
		const back = port(
			"p1o",
			f.fromFunction(
				"p1o",
				ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }),
				datagram,
			),
		);
		for (let i = 0; i < needed; i++) {
			assert.equal(at.counted("LEARNED"), 0);
			at.run(out);
			at.run(back);
		}
		assert.equal(at.counted("LEARNED"), 1);
		at.world.close();
	}
});

test("begin and end of a connection are the function's, and end what was learned", () => {
	for (const end of ["FA", "R"]) {
		const at = open();
		establish(at);
		assert.equal(isSkipped(at, end), false);
		at.run(giveBack(end));
		assert.equal(at.counted("CLOSED"), 1);
		assert.equal(isSkipped(at, "A"), false, "after the end");
		at.run(giveBack("A"));
		assert.equal(isSkipped(at, "A"), false, "nothing more is learned");
		at.run(give("S"));
		at.run(giveBack("S"));
		at.run(give("A"));
		at.run(giveBack("A"));
		assert.equal(isSkipped(at, "A"), true, "a new connection is");
		at.world.close();
	}
});

test("a new generation forgets every verdict, and what was inside settles nothing", async () => {
	const at = open({ deadlineMs: 50 });
	establish(at);
	assert.equal(isSkipped(at, "A"), true);
	at.set({ generation: 2, deadlineMs: 50 });
	assert.equal(isSkipped(at, "A"), false);
	at.run(giveBack("A"));
	assert.equal(
		isSkipped(at, "A"),
		false,
		"it may have been judged by the rules before",
	);
	await until("it is learned anew", () => {
		at.run(giveBack("A"));
		return isSkipped(at, "A");
	});
	at.world.close();
});

test("a flow of which nothing comes back is denied, if the function is alive", async () => {
	const at = open();
	const blocked = access(
		f.fromUser(f.up4, tcp({ sport: 40001, dport: 80, flags: "S" })),
	);
	at.run(blocked);
	await delay(60);
	assert.deepEqual(at.run(blocked).drops, [], "silence is no verdict");
	establish(at);
	await until("the flow is denied", () => at.run(blocked).drops.length > 0);
	assert.deepEqual(at.run(blocked).drops, ["denied"]);
	assert.equal(at.counted("DENIED"), 1);
	at.set({ generation: 2 });
	assert.deepEqual(at.run(blocked).drops, [], "until its rules change");
	at.world.close();
});

test("a sample goes through the function now and then; one that is lost revokes", async () => {
	const at = open({ revalidateMs: 100 });
	establish(at);
	assert.equal(isSkipped(at, "A"), true);
	await until("a sample is given", () => !isSkipped(at, "A"));
	assert.equal(isSkipped(at, "A"), true, "the others go on meanwhile");
	at.run(giveBack("A"));
	await until("another one is given", () => !isSkipped(at, "A"));
	const other = (flags: string) => tcp({ sport: 40002, dport: 80, flags });
	await until("the flow is revoked", () => {
		at.run(access(f.fromUser(f.up4, other("S"))));
		at.run(port("p1o", f.fromFunction("p1o", f.up4, other("S"))));
		at.run(give("A"));
		return at.counted("REVOKED") === 1;
	});
	assert.equal(isSkipped(at, "A"), false);
	at.world.close();
});

test("packets a function was never given settle nothing", () => {
	const at = open();
	at.run(give("S"));
	at.run(giveBack("S"));
	at.run(giveBack("A"));
	at.run(giveBack("A"));
	assert.equal(at.counted("UNASKED"), 2);
	assert.equal(at.counted("LEARNED"), 0);
	assert.equal(isSkipped(at, "A"), false);
	at.world.close();
});

test("a function that is down is passed by only where that is wanted", () => {
	const at = open({ flags: ServiceFlags.DOWN });
	assert.deepEqual(at.run(give("S")).drops, ["function_down"]);
	at.set({ flags: ServiceFlags.DOWN | ServiceFlags.FAIL_OPEN });
	assert.equal(at.run(give("S")).verdict, "redirect");
	assert.equal(at.counted("FAILED_OPEN"), 1);
	at.world.close();
});

test("both directions are learned, each by its own packets", () => {
	const at = open();
	const answer = (flags: string) => tcp({ sport: 80, dport: 40000, flags });
	const down = (flags: string) => exit(f.fromServer(f.down4, answer(flags)));
	const downBack = (flags: string) =>
		port(
			"p1i",
			f.fromFunction(
				"p1i",
				ipv4({ src: f.SERVER, dst: f.USER, ttl: 63 }),
				answer(flags),
			),
		);
	at.run(give("S"));
	at.run(giveBack("S"));
	at.run(down("SA"));
	at.run(downBack("SA"));
	at.run(give("A"));
	at.run(giveBack("A"));
	assert.equal(at.counted("LEARNED"), 1);
	at.run(down("A"));
	at.run(downBack("A"));
	assert.equal(at.counted("LEARNED"), 2);
	const { data } = at.run(down("A"));
	assert.deepEqual(
		data,
		f.toUser(ipv4({ src: f.SERVER, dst: f.USER, ttl: 62 }), answer("A")),
	);
	at.run(down("R"));
	at.run(downBack("R"));
	assert.equal(isSkipped(at, "A"), false, "a reset ends both");
	at.world.close();
});
