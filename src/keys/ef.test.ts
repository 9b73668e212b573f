import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeEfMessage, encodeEfMessage } from "./codec.js";
import { Ef, type EfCommand } from "./ef.js";
import type { AucMessage } from "./messages.js";
import { MAX_SEQUENCE } from "./sa.js";
import type { EngineOperation } from "./sad.js";
import { espSpi } from "./spi.js";
import { entryOfLink, LINK, noise } from "./testing/fixtures.js";
import { TUNING } from "./tuning.js";

const SESSION = "s";
const ref = (generation: number) => ({
	eSpi: LINK.eSpi,
	eSi: LINK.eSi,
	generation,
});
const spiOf = (generation: number) => espSpi(ref(generation));

/** An EF, and in short words what it does: `add 1`, `done install 1`, `stop`. */
function start() {
	const ef = new Ef({ tuning: TUNING, random: noise(1), nowMs: 0 });
	let nowMs = 0;
	const words = (commands: readonly EfCommand[]) =>
		commands.map((one) => {
			if (one.type === "stop" || one.type === "enrol") return one.type;
			if (one.type !== "send") return `${one.type} ${one.spi % 16}`;
			const { message } = one;
			if ("step" in message) {
				const why = message.type === "refuse" ? `: ${message.reason}` : "";
				return `${message.type} ${message.step} ${message.sa.generation}${why}`;
			}
			if (message.type === "expire") {
				const kind = message.soft ? "soft" : "hard";
				return `${kind} ${message.sa.generation} ${message.by}`;
			}
			return message.type;
		});
	const gets = (message: AucMessage) =>
		words(ef.handle({ type: "message", nowMs, message }));
	return {
		ef,
		words,
		gets,
		at(ms: number) {
			nowMs = ms;
			return words(ef.handle({ type: "time", nowMs }));
		},
		event: (event: { type: "connected" | "disconnected" }) =>
			words(ef.handle({ ...event, nowMs })),
		install: (generation: number, role: "sender" | "receiver" = "sender") =>
			gets({
				type: "install",
				session: SESSION,
				entry: entryOfLink(generation, role),
			}),
		asks: (type: "switch" | "remove", generation: number) =>
			gets({ type, session: SESSION, sa: ref(generation) }),
		engine: (operation: EngineOperation, spi: number, failure?: string) =>
			words(
				ef.handle({
					type: "engine",
					nowMs,
					operation,
					spi,
					...(failure === undefined ? {} : { failure }),
				}),
			),
		used: (spi: number, bytes: number, packets: number) =>
			words(ef.handle({ type: "used", nowMs, spi, bytes, packets })),
	};
}

/** In a session. */
function ready() {
	const one = start();
	const [hello] = one.ef.handle({ type: "connected", nowMs: 0 });
	assert.ok(hello?.type === "send" && hello.message.type === "hello");
	const { boot } = hello.message;
	const challenge = { type: "challenge", boot, session: SESSION } as const;
	assert.deepEqual(one.gets(challenge), ["report"]);
	assert.deepEqual(
		one.gets({ type: "accepted", session: SESSION, keep: [] }),
		[],
	);
	assert.ok(one.ef.ready);
	return one;
}

/** With an SA it encrypts with. */
function sending() {
	const one = ready();
	assert.deepEqual(one.install(1), ["add 1"]);
	assert.deepEqual(one.engine("add", spiOf(1)), ["done install 1"]);
	assert.deepEqual(one.asks("switch", 1), ["switch 1"]);
	assert.deepEqual(one.engine("switch", spiOf(1)), ["done switch 1"]);
	return one;
}

test("acknowledges what its engine has done, and not before", () => {
	const one = sending();
	/* All of it once more: nothing is done twice. */
	assert.deepEqual(one.install(1), ["done install 1"]);
	assert.deepEqual(one.asks("switch", 1), ["done switch 1"]);
	assert.deepEqual(one.install(2), ["add 2"]);
	assert.deepEqual(one.install(2), [], "the engine is at it");
	assert.deepEqual(one.asks("switch", 2), [
		"refuse switch 2: it is not installed",
	]);
	one.engine("add", spiOf(2));
	assert.deepEqual(one.asks("switch", 2), ["switch 2"]);
	assert.deepEqual(one.asks("switch", 2), [], "the engine is at it");
	one.engine("switch", spiOf(2));
	assert.deepEqual(one.asks("switch", 1), [
		"refuse switch 1: a newer one is in use",
	]);
	assert.deepEqual(one.asks("remove", 1), ["delete 1"]);
	assert.deepEqual(one.engine("delete", spiOf(1)), ["done remove 1"]);
	assert.deepEqual(one.asks("remove", 1), ["done remove 1"]);
});

test("an SA that was removed never comes back, also one that never came", () => {
	const one = ready();
	assert.deepEqual(one.asks("remove", 3), ["done remove 3"]);
	const refusal = "it is older than one that was here";
	assert.deepEqual(one.install(3), [`refuse install 3: ${refusal}`]);
	assert.deepEqual(one.install(2), [`refuse install 2: ${refusal}`]);
	assert.deepEqual(one.install(4), ["add 4"]);
	const taken = `its SPI is taken by generation 4`;
	assert.deepEqual(one.install(20), [`refuse install 20: ${taken}`]);
});

test("the engine's failure is the reason of the refusal", () => {
	const one = sending();
	one.install(2);
	assert.deepEqual(one.engine("add", spiOf(2), "no room"), [
		"refuse install 2: no room",
	]);
	one.install(3);
	one.engine("add", spiOf(3));
	one.asks("switch", 3);
	assert.deepEqual(one.engine("switch", spiOf(3), "busy"), [
		"refuse switch 3: busy",
	]);
	assert.deepEqual(one.asks("switch", 1), ["done switch 1"], "stays with it");
	/* What cannot be deleted is deleted later. */
	one.asks("remove", 3);
	assert.deepEqual(one.engine("delete", spiOf(3), "busy"), []);
	const { nextMs } = one.ef;
	assert.equal(nextMs, TUNING.retransmitMs);
	assert.deepEqual(one.at(nextMs), ["delete 3"]);
	assert.deepEqual(one.engine("delete", spiOf(3)), ["done remove 3"]);
});

test("nobody is there: what it holds ends by itself, and its traffic stops", () => {
	const one = sending();
	one.event({ type: "disconnected" });
	const endMs = LINK.hard.timeMs;
	assert.equal(one.ef.nextMs, endMs);
	assert.deepEqual(one.at(endMs - 1), []);
	assert.deepEqual(one.at(endMs), ["stop", "delete 1"]);
	assert.deepEqual(one.engine("delete", spiOf(1)), []);
	assert.equal(one.ef.nextMs, Number.POSITIVE_INFINITY);
});

test("age counts: an SA that waited at the centre ends no later for it", () => {
	const one = ready();
	const entry = { ...entryOfLink(1, "receiver"), ageMs: 99_000 };
	one.gets({ type: "install", session: SESSION, entry });
	one.engine("add", spiOf(1));
	one.event({ type: "disconnected" });
	assert.equal(one.ef.nextMs, LINK.hard.timeMs - 99_000);
	const over = { ...entryOfLink(2, "receiver"), ageMs: LINK.hard.timeMs };
	const other = ready();
	assert.deepEqual(
		other.gets({ type: "install", session: SESSION, entry: over }),
		["refuse install 2: its lifetime is over"],
	);
	assert.ok(over.key.wiped);
});

test("use: asks for a successor until that is noted, and ends at the limit", () => {
	const one = sending();
	assert.deepEqual(one.used(spiOf(1), 799_999, 7_999), []);
	assert.deepEqual(one.used(spiOf(1), 800_000, 8_000), ["soft 1 bytes"]);
	assert.deepEqual(one.used(spiOf(1), 900_000, 9_000), []);
	assert.deepEqual(one.at(one.ef.nextMs), ["soft 1 bytes"], "again");
	const noted = { type: "noted", session: SESSION, sa: ref(1), soft: true };
	assert.deepEqual(one.gets({ ...noted, type: "noted" }), []);
	assert.deepEqual(one.at(one.ef.nextMs), ["usage"]);
	assert.deepEqual(one.used(spiOf(1), 900_000, 10_000), ["stop", "delete 1"]);
	assert.deepEqual(one.engine("delete", spiOf(1)), ["hard 1 packets"]);
});

test("sequence numbers that run out are the reason, with and without a limit", () => {
	const one = ready();
	const hard = { ...LINK.hard, bytes: 2 ** 50, packets: MAX_SEQUENCE };
	const soft = { ...hard, packets: 2 ** 31 };
	const entry = {
		...entryOfLink(1, "sender"),
		extSeqNum: false,
		hard,
		soft,
	};
	one.gets({ type: "install", session: SESSION, entry });
	one.engine("add", spiOf(1));
	assert.deepEqual(one.used(spiOf(1), 1, 2 ** 31), ["soft 1 seq-overflow"]);
	const engine = sending();
	const told = engine.ef.handle({ type: "overflow", nowMs: 0, spi: spiOf(1) });
	assert.deepEqual(engine.words(told), ["soft 1 seq-overflow"]);
});

test("another session's messages are passed over, and their keys wiped", () => {
	const one = ready();
	const entry = entryOfLink(1, "sender");
	assert.deepEqual(one.gets({ type: "install", session: "old", entry }), []);
	assert.ok(entry.key.wiped);
	assert.deepEqual(one.gets({ type: "stale", session: "old" }), []);
	assert.ok(one.ef.ready);
	assert.deepEqual(one.gets({ type: "stale", session: SESSION }), ["hello"]);
	/* Not before it is known what it may keep. */
	const early = entryOfLink(1, "sender");
	one.gets({ type: "install", session: SESSION, entry: early });
	assert.ok(early.key.wiped);
	const reporting = start();
	const [hello] = reporting.ef.handle({ type: "connected", nowMs: 0 });
	assert.ok(hello?.type === "send" && hello.message.type === "hello");
	const { boot } = hello.message;
	reporting.gets({ type: "challenge", boot, session: SESSION });
	assert.deepEqual(reporting.install(1), [], "overtook `accepted`");
});

test("a new session ends what the centre does not know", () => {
	const one = sending();
	one.install(2, "sender");
	one.engine("add", spiOf(2));
	const [hello] = one.ef.handle({ type: "connected", nowMs: 0 });
	assert.ok(hello?.type === "send" && hello.message.type === "hello");
	const { boot } = hello.message;
	one.gets({ type: "challenge", boot, session: "t" });
	assert.deepEqual(
		one.gets({ type: "accepted", session: "t", keep: [ref(2)] }),
		["stop", "delete 1"],
	);
	const strange = { type: "challenge", boot: "other", session: "u" } as const;
	assert.deepEqual(one.gets(strange), []);
});

test("one that is not known any more asks for another certificate", () => {
	const one = sending();
	assert.deepEqual(one.gets({ type: "unknown" }), ["enrol"]);
	assert.ok(!one.ef.ready);
	/* What it has it keeps until its end. */
	assert.deepEqual(one.gets({ type: "stale", session: SESSION }), []);
});

test("what it reports is a message, whatever parts of milliseconds its clock tells", () => {
	const ef = new Ef({ tuning: TUNING, random: noise(1), nowMs: 0.25 });
	const [hello] = ef.handle({ type: "connected", nowMs: 0.25 });
	assert.ok(hello?.type === "send" && hello.message.type === "hello");
	const challenge = (boot: string, nowMs: number) =>
		ef.handle({
			type: "message",
			nowMs,
			message: { type: "challenge", boot, session: SESSION },
		});
	const { boot } = hello.message;
	challenge(boot, 0.5);
	const accepted = { type: "accepted", session: SESSION, keep: [] } as const;
	ef.handle({ type: "message", nowMs: 0.75, message: accepted });
	const entry = entryOfLink(1, "receiver");
	const install = { type: "install", session: SESSION, entry } as const;
	ef.handle({ type: "message", nowMs: 1.125, message: install });
	ef.handle({ type: "engine", nowMs: 1.5, operation: "add", spi: spiOf(1) });
	ef.handle({ type: "connected", nowMs: 7.3 });
	const [report] = challenge(boot, 7.9);
	assert.ok(report?.type === "send" && report.message.type === "report");
	assert.equal(report.message.held.length, 1);
	assert.deepEqual(
		decodeEfMessage(encodeEfMessage(report.message)),
		report.message,
	);
});
