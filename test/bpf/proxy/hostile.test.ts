/** Users and functions that lie: nothing passes that no function has let pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Offload } from "../../../src/kernel/layout.gen.js";
import {
	type BuildLayer,
	icmp,
	ipv4,
	raw,
	tcp,
	udp,
} from "../../../src/wire/build.js";
import * as f from "../../golden/frames.js";
import { node, SPI } from "../../golden/node.js";
import { access, exit, port, type Step, underlay } from "../../golden/row.js";
import {
	establish,
	give,
	giveBack,
	isSkipped,
	type Opened,
	open,
	until,
} from "./firewall.js";

const STATES = 1024;

const syn = (sport: number) =>
	access(f.fromUser(f.up4, tcp({ sport, dport: 80, flags: "S" })));
const datagram = udp({ sport: 40000, dport: 53 });
const ask = (length: number): Step =>
	access(f.fromUser(f.up4, datagram, Buffer.alloc(length)));
const answer = (length: number): Step =>
	port(
		"p1o",
		f.fromFunction(
			"p1o",
			ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }),
			datagram,
			Buffer.alloc(length),
		),
	);
/** Whether the packet left without the firewall: its hop limit is two less. */
const left = ({ run }: Opened, step: Step): boolean =>
	run(step).data.readUInt8(14 + 8) === 62;

test("a flood of SYNs over the state list lets none of them pass, and is seen", () => {
	const at = open({}, { mapSizes: { states: STATES, flows: 65536 } });
	establish(at);
	for (let sport = 1; sport < 20_000; sport++)
		assert.equal(left(at, syn(sport)), false);
	assert.equal(at.counted("LEARNED"), 1);
	const held = [...at.world.maps.states.entries()].length;
	assert.ok(held <= STATES && held > STATES / 2, `${held} are held`);
	/* Its own state is gone or not: it is given to the firewall, or was let pass. */
	if (!isSkipped(at, "A")) at.run(giveBack("A"));
	at.world.close();
});

test("no fragment skips the firewall, which alone puts packets together", () => {
	const at = open();
	establish(at);
	assert.equal(isSkipped(at, "A"), true);
	const parts = { src: f.USER, dst: f.SERVER, id: 7 };
	const first = access(
		f.fromUser(
			ipv4({ ...parts, moreFragments: true }),
			tcp({ sport: 40000, dport: 80, flags: "A" }),
			Buffer.alloc(32),
		),
	);
	assert.equal(left(at, first), false, "the first");
	const later = access(
		f.fromUser(
			ipv4({ ...parts, fragmentOffset: 56, proto: 6 }),
			Buffer.alloc(32),
		),
	);
	assert.equal(left(at, later), false, "a later one");
	at.world.close();
});

test("a function that gives a packet back twice, or invents one, teaches nothing", () => {
	const at = open({ learnAfter: 3 });
	at.run(ask(100));
	for (let i = 0; i < 5; i++) at.run(answer(100));
	assert.equal(at.counted("UNASKED"), 4);
	assert.equal(at.counted("LEARNED"), 0);
	const invented = port(
		"p1o",
		f.fromFunction("p1o", f.up4, udp({ sport: 1, dport: 2 })),
	);
	assert.deepEqual(at.run(invented).drops, ["port_unbound"]);
	at.world.close();
});

test("packets in another order teach no more than they show", () => {
	const at = open({ learnAfter: 3 });
	for (const length of [100, 200, 300]) at.run(ask(length));
	for (const length of [300, 200]) at.run(answer(length));
	assert.equal(at.counted("LEARNED"), 0);
	at.run(answer(100));
	assert.equal(at.counted("LEARNED"), 0, "not the newest");
	assert.equal(left(at, ask(400)), false);
	at.run(answer(400));
	assert.equal(at.counted("LEARNED"), 1);
	at.world.close();
});

test("what comes back too late is let through, and the deny stands to its end", async () => {
	const at = open({ denyMs: 300 });
	const kept = ask(100);
	at.run(kept);
	await until("it is denied", () => {
		/* Silence is a verdict only of a function that speaks. */
		at.run(give("S"));
		at.run(giveBack("S"));
		return at.run(kept).drops.includes("denied");
	});
	assert.equal(at.run(answer(100)).verdict, "redirect");
	assert.equal(at.counted("LEARNED"), 0);
	await until("the deny ends", () => at.run(ask(100)).drops.length === 0);
	at.run(answer(100));
	assert.equal(at.counted("LEARNED"), 1);
	at.world.close();
});

test("a reset of one who does not know the sequence numbers changes nothing", async () => {
	const at = open();
	establish(at);
	for (const seq of [0x2000_0000, 0x7fff_ffff, 0xa000_0000]) {
		const forged = tcp({ sport: 40000, dport: 80, flags: "R", seq });
		at.run(access(f.fromUser(f.up4, forged)));
		await delay(1);
		assert.equal(isSkipped(at, "A"), true);
	}
	assert.equal(at.counted("OUTSIDE_WINDOW"), 3);
	assert.equal(at.counted("CLOSED"), 0);
	at.world.close();
});

test("packets of one tuple that differ in DSCP come back each on its own path", () => {
	const state = {
		...node,
		paths: node.paths.map((path) => ({ ...path, byDscp: true as const })),
	};
	const at = open({ offload: Offload.NONE }, { state });
	const segment = tcp({ sport: 40000, dport: 443, flags: "A" });
	const ip = (ttl: number, dscp: number) =>
		ipv4({ src: f.USER, dst: f.SERVER, ttl, dscp });
	const enter = (spi: number, dscp: number) =>
		underlay(f.fromEdge2(spi, 255, {}, ip(64, dscp), segment));
	const back = (dscp: number) =>
		at.run(port("p1o", f.fromFunction("p1o", ip(63, dscp), segment))).data;
	at.run(enter(SPI.remote, 0));
	at.run(enter(SPI.local, 46));
	assert.deepEqual(back(46), f.toServer(ip(62, 46), segment));
	assert.ok(back(0).length > 100, "on its way to edge2");
	at.world.close();
});

test("neither pings nor what has no ports, nor odd headers, are learned", () => {
	const echo = (type: number) => icmp({ type, code: 0 });
	const lite = raw(Buffer.from("9c400035000800000000", "hex"));
	const options = Buffer.from([131, 7, 4, 10, 0, 0, 1, 0]);
	const acked = tcp({ sport: 40000, dport: 80, flags: "A" });
	const rows: readonly [string, ReturnType<typeof ipv4>, BuildLayer][] = [
		["an echo request", f.up4, echo(8)],
		["UDP-Lite", ipv4({ src: f.USER, dst: f.SERVER, proto: 136 }), lite],
		["options", ipv4({ src: f.USER, dst: f.SERVER, options }), acked],
		["no flags", f.up4, tcp({ sport: 40000, dport: 80, flags: 0 })],
	];
	for (const [what, ip, layer] of rows) {
		const at = open();
		establish(at);
		const step = underlay(f.fromEdge2(SPI.local, 255, {}, ip, layer));
		for (let i = 0; i < 3; i++) {
			assert.equal(at.run(step).data.readUInt8(14 + 8), 64, what);
			at.run(port("p1o", f.fromFunction("p1o", ip, layer)));
		}
		at.world.close();
	}
});

test("a flow whose sample is overdue skips nothing until one comes back", async () => {
	const at = open({ revalidateMs: 100 });
	establish(at);
	await until("a sample is given", () => !isSkipped(at, "A"));
	await until("it is overdue, and all are given", () => {
		at.run(give("A"));
		return Array.from({ length: 5 }, () => isSkipped(at, "A")).every(
			(skipped) => !skipped,
		);
	});
	assert.equal(at.counted("REVOKED"), 0, "silence is no verdict");
	at.run(giveBack("A"));
	assert.equal(isSkipped(at, "A"), true);
	at.world.close();
});

test("a sample that comes back marked revokes what was learned", async () => {
	const at = open({ revalidateMs: 100 });
	establish(at);
	await until("a sample is given", () => !isSkipped(at, "A"));
	const marked = ipv4({ src: f.USER, dst: f.SERVER, ttl: 63, dscp: 46 });
	at.run(
		port(
			"p1o",
			f.fromFunction(
				"p1o",
				marked,
				tcp({ sport: 40000, dport: 80, flags: "A" }),
			),
		),
	);
	assert.equal(at.counted("REVOKED"), 1);
	assert.equal(isSkipped(at, "A"), false);
	at.world.close();
});

test("a reset ends the shortcut of the other direction, too", async () => {
	const at = open();
	at.world.maps.epochs.set(0, { now: 1, learning: 1 });
	establish(at);
	await until("a shortcut is there", () => {
		at.run(give("A"));
		return [...at.world.maps.shortcuts.entries()].length > 0;
	});
	const reset = tcp({ sport: 80, dport: 40000, flags: "R" });
	at.run(exit(f.fromServer(f.down4, reset)));
	const ip = ipv4({ src: f.SERVER, dst: f.USER, ttl: 63 });
	at.run(port("p1i", f.fromFunction("p1i", ip, reset)));
	assert.equal(isSkipped(at, "A"), false);
	at.world.close();
});
