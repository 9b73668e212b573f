import assert from "node:assert/strict";
import { test } from "node:test";
import { Auc } from "./auc.js";
import { type AucCommand, type AucEvent, newAuc } from "./auc-state.js";
import { type EnrolRequest, proofOf } from "./enrol-messages.js";
import type { EfMessage } from "./messages.js";
import type { Link } from "./sa.js";
import { Secret } from "./secret.js";
import { espSpi } from "./spi.js";
import { LINK, noise } from "./testing/fixtures.js";
import type { DistributiveOmit } from "./testing/station.js";
import { TUNING } from "./tuning.js";

const links: readonly Link[] = [
	LINK,
	{ ...LINK, eSi: 253, sender: "b", receiver: "c" },
	{ ...LINK, eSpi: 8, sender: "c", receiver: "a" },
];

/** A centre, and what it says in short words: `install b 7/254`. */
function start() {
	const auc = new Auc({ tuning: TUNING, random: noise(1), nowMs: 0 });
	const words = (commands: readonly AucCommand[]) =>
		commands.map((one) => {
			if (one.type === "audit") {
				const { record } = one;
				const of = "spi" in record ? `${record.eSpi}/${record.eSi}` : record.ef;
				return `audit ${record.what} ${of}`;
			}
			if (one.type !== "send") return one.type;
			const { to, message } = one;
			if ("sa" in message) return `${message.type} ${to} ${message.sa.eSpi}`;
			if (message.type !== "install") return `${message.type} ${to}`;
			return `install ${to} ${message.entry.eSpi}/${message.entry.eSi}`;
		});
	const act = (event: DistributiveOmit<AucEvent, "nowMs">) =>
		words(auc.handle({ ...event, nowMs: 0 } as AucEvent));
	const says = (from: string, message: EfMessage) =>
		act({ type: "message", from, message });
	return { auc, act, says };
}

/** Brings an EF into a session, which holds nothing. */
function join({ auc }: ReturnType<typeof start>, ef: string): string {
	const [challenge] = auc.handle({
		type: "message",
		nowMs: 0,
		from: ef,
		message: { type: "hello", boot: `boot of ${ef}` },
	});
	assert.ok(challenge?.type === "send");
	assert.ok(challenge.message.type === "challenge");
	const { session } = challenge.message;
	const message = { type: "report", session, held: [] } as const;
	auc.handle({ type: "message", nowMs: 0, from: ef, message });
	return session;
}

/** All three links are served. */
function serving() {
	const one = start();
	one.act({ type: "declare", links });
	const sessions = new Map(["a", "b", "c"].map((ef) => [ef, join(one, ef)]));
	const done = (ef: string, step: "install" | "switch", link: Link) => {
		const { eSpi, eSi } = link;
		const state = one.auc.state.links.get(eSpi * 256 + eSi);
		const sa = { eSpi, eSi, generation: state?.generation ?? 0 };
		const session = sessions.get(ef) ?? "";
		return one.says(ef, { type: "done", session, step, sa });
	};
	for (const link of links) {
		done(link.receiver, "install", link);
		done(link.sender, "install", link);
		done(link.sender, "switch", link);
	}
	return { ...one, sessions };
}

test("a rekey that is due is to be stored, whatever brings it about", () => {
	const idle = (auc: Auc, sessions: ReadonlyMap<string, string>) => {
		const session = sessions.get("a") ?? "";
		const usage = { type: "usage", session, uses: [] } as const;
		const nonce = "0".repeat(64);
		return [
			{ type: "message", from: "b", message: { type: "hello", boot: "2" } },
			{ type: "message", from: "a", message: usage },
			{
				type: "enrol",
				connection: 1,
				message: { type: "enrol", ef: "nobody", nonce },
			},
			{ type: "time" },
		].map((event) => (nowMs: number) => {
			auc.handle({ ...event, nowMs } as AucEvent);
			return auc.takeChanged();
		});
	};
	for (let at = 0; at < 4; at++) {
		const { auc, sessions } = serving();
		assert.ok(auc.takeChanged());
		const happens = idle(auc, sessions)[at];
		assert.ok(happens);
		assert.equal(happens(0), false, `event ${at} alone changes nothing`);
		assert.equal(happens(auc.nextMs), true, `event ${at}: a rekey is due`);
	}
});

test("no generation comes twice, though what was issued last was not stored", () => {
	const { auc } = serving();
	const stored = structuredClone([...auc.state.links]);
	const dueMs = auc.nextMs;
	auc.handle({ type: "time", nowMs: dueMs });
	const issued = [...auc.state.links.values()].map((one) => one.generation);
	const state = { ...newAuc(), declared: true, links: new Map(stored) };
	const again = new Auc({
		tuning: TUNING,
		random: noise(2),
		nowMs: dueMs + 100,
		state,
	});
	again.handle({ type: "time", nowMs: dueMs + 100 });
	for (const [at, { generation }] of [
		...again.state.links.values(),
	].entries()) {
		assert.ok(generation > (issued[at] ?? Number.POSITIVE_INFINITY));
	}
});

test("generations far beyond the clock count for nothing, and are told once", () => {
	const one = start();
	one.act({ type: "declare", links });
	const [state] = one.auc.state.links.values();
	const generation = Number.MAX_SAFE_INTEGER;
	const sa = { eSpi: LINK.eSpi, eSi: LINK.eSi, generation };
	const held = { ...sa, role: "receiver", ageMs: 0, active: false } as const;
	const challenge = one.auc.handle({
		type: "message",
		nowMs: 0,
		from: "b",
		message: { type: "hello", boot: "1" },
	})[0];
	assert.ok(challenge?.type === "send");
	assert.ok(challenge.message.type === "challenge");
	const { session } = challenge.message;
	const reported = one.says("b", {
		type: "report",
		session,
		held: [held, held],
	});
	const told = (said: readonly string[]) =>
		said.filter((word) => word === "audit report-refused b").length;
	assert.equal(told(reported), 1);
	const issued = { ...sa, generation: state?.generation ?? 0 };
	const refused = one.says("b", {
		type: "refuse",
		session,
		step: "install",
		sa: issued,
		reason: "old",
		floor: generation,
	});
	assert.equal(told(refused), 0);
	assert.ok(refused.includes("audit refuse 7/254"));
	assert.equal(state?.generation, issued.generation);
});

test("a clock that was set back while the centre was down holds nothing up", () => {
	const { auc } = serving();
	const nowMs = 1_000_000_000;
	auc.handle({ type: "time", nowMs });
	auc.handle({ type: "rekey", nowMs, target: { eSpi: 8 } });
	const { state } = auc;
	for (const held of state.links.values()) {
		held.holdOffMs = nowMs;
		assert.ok(held.sas.length > 0);
	}
	const again = new Auc({ tuning: TUNING, random: noise(2), nowMs: 5, state });
	again.handle({ type: "time", nowMs: 5 });
	const latestMs = 5 + Math.max(TUNING.refusedMaxMs, TUNING.retransmitMaxMs);
	again.handle({ type: "time", nowMs: latestMs });
	for (const { sas, holdOffMs } of again.state.links.values()) {
		assert.ok(holdOffMs <= latestMs);
		assert.equal(sas.at(-1)?.phase, "install-receiver");
		assert.ok(sas.every(({ issuedMs }) => issuedMs <= latestMs));
	}
});

const phases = (auc: Auc) =>
	[...auc.state.links.values()].map(({ sas }) =>
		sas.map(({ phase }) => phase).join(),
	);

test("keys go to those who are there, and only to the two ends", () => {
	const one = start();
	const issued = one.act({ type: "declare", links });
	assert.deepEqual(issued, [
		"audit issue 7/254",
		"audit issue 7/253",
		"audit issue 8/254",
	]);
	assert.deepEqual(one.says("b", { type: "hello", boot: "x" }), [
		"challenge b",
	]);
	const session = join(one, "c");
	assert.deepEqual(
		one.says("a", { type: "report", session, held: [] }),
		["stale a"],
		"another's session",
	);
	assert.deepEqual([...one.auc.present.keys()], ["c"]);
});

test("before links are declared nobody is told to give anything up", () => {
	const one = start();
	assert.deepEqual(one.says("a", { type: "hello", boot: "x" }), []);
});

test("one that is no end of a link changes nothing there", () => {
	const { auc, says, sessions } = serving();
	assert.deepEqual(phases(auc), ["current", "current", "current"]);
	const session = sessions.get("c") ?? "";
	const { eSpi, eSi } = LINK;
	const generation = auc.state.links.get(eSpi * 256 + eSi)?.generation ?? 0;
	const sa = { eSpi, eSi, generation };
	says("c", { type: "expire", session, sa, soft: false, by: "time" });
	says("c", {
		type: "refuse",
		session,
		step: "install",
		sa,
		reason: "",
		floor: 2 ** 50,
	});
	says("c", { type: "done", session, step: "remove", sa });
	assert.deepEqual(phases(auc), ["current", "current", "current"]);
	assert.equal(auc.state.links.get(eSpi * 256 + eSi)?.generation, generation);
});

test("an SA is revoked: it alone; a path: all of its SAs; each gets another", () => {
	const one = serving();
	const state = one.auc.state.links.get(LINK.eSpi * 256 + LINK.eSi);
	const { eSpi, eSi } = LINK;
	const spi = espSpi({ eSpi, eSi, generation: state?.generation ?? 0 });
	const said = one.act({ type: "revoke", target: { spi }, by: "op" });
	assert.deepEqual(said, [
		"audit revoke 7/254",
		"audit issue 7/254",
		"remove a 7",
		"remove b 7",
		"install b 7/254",
	]);
	const path = serving();
	path.act({ type: "revoke", target: { eSpi: 7 }, by: "op" });
	const both = "retired,install-receiver";
	assert.deepEqual(phases(path.auc), [both, both, "current"]);
	assert.deepEqual(
		one.act({ type: "revoke", target: { spi: 0xffffffff }, by: "op" }),
		[],
	);
});

test("a node is revoked: no key with it any more, until it is let in again", () => {
	const one = serving();
	const said = one.act({ type: "revoke", target: { node: "c" }, by: "op" });
	assert.ok(said.includes("audit revoke-node c"));
	for (const line of ["remove b 7", "remove c 7", "remove c 8", "remove a 8"])
		assert.ok(said.includes(line), line);
	assert.deepEqual(phases(one.auc), ["current", "retired", "retired"]);
	one.act({ type: "declare", links });
	assert.ok(!one.act({ type: "time" }).some((line) => /install/.test(line)));
	const back = one.act({ type: "admit", node: "c", by: "op" });
	assert.ok(back.includes("install c 7/253"), `${back}`);
	assert.ok(back.includes("install a 8/254"), `${back}`);
});

/** An EF enrols by that key, and gets a certificate of that number. */
function enrols(
	{ auc }: ReturnType<typeof start>,
	key: Secret,
	serial: string,
) {
	const [ef, nonce, request] = ["a", "n", `request ${serial}`];
	const say = (message: EnrolRequest) =>
		auc.handle({ type: "enrol", nowMs: 0, connection: 1, message });
	const [reply] = say({ type: "enrol", ef, nonce });
	assert.ok(reply?.type === "reply" && reply.message.type === "enrol-proof");
	const { aucNonce } = reply.message;
	const proof = proofOf(key, "ef", ef, nonce, aucNonce, request);
	const [sign] = say({ type: "enrol-sign", ef, nonce, request, proof });
	assert.equal(sign?.type, "sign");
	const certificate = `certificate ${serial}`;
	const signed = { type: "signed", ef, request, certificate, serial } as const;
	return auc.handle({ ...signed, nowMs: 0 });
}

test("a key to enrol with ends once it has served, and with the node", () => {
	const one = start();
	one.act({ type: "declare", links: [] });
	const configure = (ef: string) => {
		const key = new Secret(Buffer.alloc(32, 7));
		one.act({ type: "configure", ef, key });
		return key;
	};
	const used = configure("a");
	join(one, "a");
	assert.ok(!used.wiped, "it came with an older certificate");
	enrols(one, used, "1");
	join(one, "a");
	assert.ok(used.wiped);
	const message = { type: "enrol", ef: "a", nonce: "n" } as const;
	assert.deepEqual(one.act({ type: "enrol", connection: 1, message }), []);
	const barred = configure("a");
	one.act({ type: "revoke", target: { node: "a" }, by: "op" });
	assert.ok(barred.wiped);
	const late = configure("a");
	assert.ok(late.wiped, "it is revoked");
	assert.deepEqual(one.act({ type: "enrol", connection: 1, message }), []);
});

test("the newest two certificates count, and none of a revoked node", () => {
	const one = start();
	const counting = () =>
		["1", "2", "3"].filter((serial) => one.auc.isCurrent("a", serial));
	for (const [serial, wanted] of [
		["1", ["1"]],
		["2", ["1", "2"]],
		["3", ["2", "3"]],
	] as const) {
		const key = new Secret(Buffer.alloc(32, 7));
		one.act({ type: "configure", ef: "a", key });
		enrols(one, key, serial);
		assert.deepEqual(counting(), wanted);
	}
	one.act({ type: "revoke", target: { node: "a" }, by: "op" });
	assert.deepEqual(counting(), []);
	one.act({ type: "admit", node: "a", by: "op" });
	assert.deepEqual(counting(), []);
});

test("a link that is gone is forgotten, once the clock is past its numbers", () => {
	const { auc } = start();
	const declare = (links: readonly Link[], nowMs: number) =>
		auc.handle({ type: "declare", links, nowMs });
	declare([LINK], 1000);
	const { generation = 0 } = [...auc.state.links.values()][0] ?? {};
	assert.ok(generation > 1000);
	const goneMs = 1000 + LINK.hard.timeMs + 3 * TUNING.graceMs;
	declare([], 1000);
	assert.equal(auc.state.links.size, 1, "an end may hold its SA");
	auc.handle({ type: "time", nowMs: goneMs });
	assert.equal(auc.state.links.size, 0);
	assert.equal(auc.nextMs, Number.POSITIVE_INFINITY);
	declare([LINK], goneMs + 1);
	const again = [...auc.state.links.values()][0];
	assert.ok((again?.generation ?? 0) > generation, "no number comes twice");
});

test("links that cannot be are refused, and nothing is changed", () => {
	const one = serving();
	for (const [bad, why] of [
		[{ ...LINK, eSpi: 0 }, /E-SPI 0/],
		[{ ...LINK, sender: "b" }, /both ends/],
		[{ ...LINK, hard: { ...LINK.hard, bytes: 0 } }, /positive/],
	] as const) {
		assert.throws(() => one.act({ type: "declare", links: [bad] }), why);
	}
	const twice = [LINK, LINK];
	assert.throws(
		() => one.act({ type: "declare", links: twice }),
		/there twice/,
	);
	assert.deepEqual(phases(one.auc), ["current", "current", "current"]);
});

test("asked for another key, all of a node's links get one", () => {
	const one = serving();
	const said = one.act({ type: "rekey", target: { node: "a" } });
	assert.deepEqual(said, [
		"audit issue 7/254",
		"install b 7/254",
		"audit issue 8/254",
		"install a 8/254",
	]);
});
