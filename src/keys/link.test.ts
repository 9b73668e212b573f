import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LinkMachine } from "./link.js";
import { newLink } from "./link-state.js";
import type { StepName } from "./messages.js";
import type { KeyedEntry, Link, Role } from "./sa.js";
import type { Secret } from "./secret.js";
import { LINK, noise } from "./testing/fixtures.js";
import { TUNING } from "./tuning.js";

/** A machine, and in short words what it says: `install a 1`, `audit issue 1`. */
function start(link: Link | undefined = LINK, seed = 1, state = newLink(0)) {
	const said: string[] = [];
	const keys = new Map<number, Secret>();
	const machine = new LinkMachine(state, TUNING, noise(seed), {
		send: (ef, request) => {
			if (request.type === "install") {
				keys.set(request.entry.generation, request.entry.key);
			}
			const sa = request.type === "install" ? request.entry : request.sa;
			said.push(`${request.type} ${ef} ${sa.generation}`);
		},
		audit: (record) => {
			const of = "generation" in record ? record.generation : "";
			const why = "reason" in record ? ` ${record.reason}` : "";
			said.push(`audit ${record.what} ${of}${why}`);
		},
	});
	let nowMs = 0;
	const act = (action: () => void = () => {}) => {
		action();
		machine.advance(nowMs);
		assert.ok(machine.nextMs > nowMs, "is never content");
		return said.splice(0);
	};
	const done = (step: StepName, role: Role, generation: number) =>
		act(() => machine.done(step, role, generation, nowMs));
	const at = (ms: number) => {
		nowMs = ms;
		return act();
	};
	const first = act(() => machine.declare(link, nowMs));
	return { keys, state, machine, act, done, at, now: () => nowMs, first };
}

/** With an SA in use. */
function inUse(link = LINK) {
	const one = start(link);
	one.done("install", "receiver", 1);
	one.done("install", "sender", 1);
	one.done("switch", "sender", 1);
	return one;
}

test("receiver first, then sender, then the switch; each acknowledged", () => {
	const { first, done, keys } = start();
	assert.deepEqual(first, ["audit issue 1 first", "install b 1"]);
	assert.deepEqual(done("install", "sender", 1), [], "not asked yet");
	assert.deepEqual(done("switch", "sender", 1), [], "not asked yet");
	assert.deepEqual(done("install", "receiver", 1), ["install a 1"]);
	const key = keys.get(1);
	assert.equal(key?.wiped, false);
	assert.deepEqual(done("install", "sender", 1), ["switch a 1"]);
	assert.ok(key?.wiped, "both have it: the centre has not");
	assert.deepEqual(done("install", "sender", 1), [], "said twice");
	assert.deepEqual(done("switch", "sender", 1), ["audit in-use 1"]);
});

test("a generation whose SPI another SA has is passed over, not waited for", () => {
	const { machine, state, act } = inUse();
	state.generation = 16;
	assert.deepEqual(
		act(() => machine.ask()),
		["audit issue 18 asked", "install b 18"],
	);
});

test("a rekey: the old SA goes last, at the receiver once it is drained", () => {
	const { machine, state, at, done } = inUse();
	const dueMs = machine.nextMs;
	assert.equal(dueMs, state.sas[0]?.soft.timeMs);
	assert.deepEqual(at(dueMs - 1), []);
	assert.deepEqual(at(dueMs), ["audit issue 2 time", "install b 2"]);
	assert.deepEqual(done("install", "receiver", 2), ["install a 2"]);
	assert.deepEqual(done("install", "sender", 2), ["switch a 2"]);
	assert.deepEqual(done("switch", "sender", 2), [
		"audit in-use 2",
		"remove a 1",
	]);
	assert.deepEqual(done("remove", "receiver", 1), []);
	const keepsOld = machine.keeps("b", dueMs).map((sa) => sa.generation);
	assert.deepEqual(keepsOld, [2], "it says it has let it go");
	assert.deepEqual(done("remove", "sender", 1), ["audit removed 1"]);

	const again = inUse();
	again.at(dueMs);
	again.done("install", "receiver", 2);
	again.done("install", "sender", 2);
	again.done("switch", "sender", 2);
	assert.deepEqual(again.done("remove", "sender", 1), []);
	assert.deepEqual(again.at(dueMs + TUNING.drainMs - 1), []);
	assert.deepEqual(again.at(dueMs + TUNING.drainMs), ["remove b 1"]);
	assert.deepEqual(again.done("remove", "receiver", 1), ["audit removed 1"]);
});

test("both ends count the age from issue; the receiver keeps it longer", () => {
	const entries: KeyedEntry[] = [];
	const machine = new LinkMachine(newLink(77), TUNING, noise(1), {
		send: (_, request) => {
			if (request.type === "install") entries.push(request.entry);
		},
		audit: () => {},
	});
	machine.declare(LINK, 1000);
	machine.advance(1000);
	machine.done("install", "receiver", 78, 4000);
	machine.advance(4000);
	const { timeMs } = LINK.hard;
	assert.deepEqual(
		entries.map((one) => [
			one.generation,
			one.role,
			one.ageMs,
			one.hard.timeMs,
		]),
		[
			[78, "receiver", 0, timeMs + TUNING.graceMs],
			[78, "sender", 3000, timeMs],
		],
	);
});

test("what is not acknowledged is sent again, less and less often", () => {
	const { at, machine } = start();
	const gaps: number[] = [];
	for (let last = 0; gaps.length < 10; ) {
		const next = machine.nextMs;
		assert.deepEqual(at(next), ["install b 1"]);
		gaps.push(next - last);
		last = next;
	}
	const all = [
		250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000,
	];
	assert.deepEqual(gaps, all);
});

test("a refusal is undone at once and tried again with another key, later", () => {
	const { act, machine, done, at, state } = start();
	done("install", "receiver", 1);
	const refuse = (generation: number, role: Role = "sender") =>
		act(() =>
			machine.refused("install", role, generation, "full", 0, state.holdOffMs),
		);
	assert.deepEqual(refuse(1), [
		"audit refuse 1 full",
		"audit undo 1 refused",
		"remove b 1",
	]);
	assert.deepEqual(refuse(1), [], "said twice");
	assert.deepEqual(done("remove", "receiver", 1), ["audit removed 1"]);
	assert.equal(machine.nextMs, TUNING.refusedMs);
	assert.deepEqual(at(TUNING.refusedMs), [
		"audit issue 2 refused",
		"install b 2",
	]);
	refuse(2, "receiver");
	assert.equal(state.holdOffMs, TUNING.refusedMs + 2 * TUNING.refusedMs);
});

test("who refuses a number says which is free", () => {
	const { act, machine, at } = start();
	act(() => machine.refused("install", "receiver", 1, "old", 40, 0));
	assert.deepEqual(at(machine.nextMs), [
		"audit issue 41 refused",
		"install b 41",
	]);
});

test("an EF that restarts gets what it lacks, with another key", () => {
	const { act, machine, done, at, now } = inUse();
	assert.deepEqual(
		act(() => machine.report("b", [], 0)),
		["audit lost 1"],
	);
	/* Not at once: it may lose whatever it is given. */
	assert.equal(machine.nextMs, TUNING.refusedMs);
	assert.deepEqual(at(machine.nextMs), ["audit issue 2 lost", "install b 2"]);
	/* It restarts once more before the sender has the key: it is asked again. */
	done("install", "receiver", 2);
	assert.deepEqual(
		act(() => machine.report("b", [], now())),
		["audit lost 2", "audit undo 2 lost", "remove a 2"],
	);
	assert.ok(
		at(2 * TUNING.refusedMs).includes("audit issue 3 lost"),
		"a second after the one before",
	);
});

test("an EF that wants key after key gets one a while, hard or soft", () => {
	for (const [soft, pauseMs] of [
		[false, TUNING.refusedMs],
		[true, TUNING.retransmitMs],
	] as const) {
		const { act, machine, at } = inUse();
		const said = act(() => machine.expired("sender", 1, soft, "bytes", 0));
		assert.ok(!said.some((one) => one.startsWith("audit issue")), `${said}`);
		assert.equal(machine.nextMs, pauseMs);
		assert.match(at(pauseMs).join(), /audit issue 2/);
	}
	/* One that has served for a while is replaced at once. */
	const { act, machine, at } = inUse();
	at(TUNING.refusedMs);
	const said = act(() =>
		machine.expired("sender", 1, false, "bytes", TUNING.refusedMs),
	);
	assert.match(said.join(), /audit issue 2/);
});

test("an EF that reports ever others holds no more than there can be", () => {
	const { act, machine, state } = inUse();
	for (let generation = 2; generation < 100; generation++) {
		const held = { eSpi: LINK.eSpi, eSi: LINK.eSi, ageMs: 0, active: false };
		act(() =>
			machine.report("b", [{ ...held, generation, role: "receiver" }], 0),
		);
	}
	assert.ok(state.sas.length <= 16, `${state.sas.length} SAs`);
});

test("what a report acknowledges need not be said", () => {
	const { act, machine } = start();
	const held = { ...LINK, generation: 1, ageMs: 0, active: false };
	assert.deepEqual(
		act(() => machine.report("b", [{ ...held, role: "receiver" }], 0)),
		["install a 1"],
	);
	assert.deepEqual(
		act(() => machine.report("a", [{ ...held, role: "sender" }], 0)),
		["switch a 1"],
	);
	const active = { ...held, role: "sender", active: true } as const;
	assert.deepEqual(
		act(() => machine.report("a", [active], 0)),
		["audit in-use 1"],
	);
});

test("a centre that restarts has no key: what was half installed gets another", () => {
	const { state, done } = start();
	done("install", "receiver", 1);
	const again = start(LINK, 2, structuredClone(state));
	assert.deepEqual(again.first, [
		"audit undo 1 restarted",
		"audit issue 2 restarted",
		"remove a 1",
		"install b 2",
	]);
	/* The switch needs none: it goes on. */
	const late = start();
	late.done("install", "receiver", 1);
	late.done("install", "sender", 1);
	const resumed = start(LINK, 2, structuredClone(late.state));
	assert.deepEqual(resumed.done("switch", "sender", 1), ["audit in-use 1"]);
});

test("a switch that may have happened is not undone before there is another", () => {
	const { act, machine, done, at, state } = inUse();
	at(machine.nextMs);
	done("install", "receiver", 2);
	done("install", "sender", 2);
	const said = act(() => machine.refused("switch", "sender", 2, "busy", 0, 0));
	assert.deepEqual(said.slice(0, 2), [
		"audit refuse 2 busy",
		"audit undo 2 refused",
	]);
	assert.ok(!said.some((one) => one.startsWith("remove")), `${said}`);
	assert.deepEqual(state.sas.map(({ phase }) => phase).slice(0, 2), [
		"current",
		"current",
	]);
});

test("revoked: gone at both ends at once, and another comes", () => {
	const { act, machine, done } = inUse();
	assert.deepEqual(
		act(() => assert.equal(machine.revoke(undefined, "op", 0), 1)),
		[
			"audit revoke 1",
			"audit issue 2 revoked",
			"remove a 1",
			"remove b 1",
			"install b 2",
		],
	);
	assert.deepEqual(
		act(() => assert.equal(machine.revoke(1, "op", 0), 0)),
		[],
		"revoked already",
	);
	assert.deepEqual(done("remove", "receiver", 1), []);
	assert.deepEqual(done("remove", "sender", 1), ["audit removed 1"]);
	/* Before anybody uses it. */
	const pending = start();
	assert.deepEqual(
		pending.act(() => pending.machine.revoke(1, "op", 0)),
		["audit revoke 1", "audit issue 2 revoked", "remove b 1", "install b 2"],
	);
});

test("an SA that ends without a successor is followed by another", () => {
	const { act, machine, at, now } = inUse();
	act(() => machine.expired("sender", 1, false, "bytes", now()));
	at(now() + TUNING.refusedMs);
	const { state } = machine;
	assert.equal(state.sas.at(-1)?.phase, "install-receiver");
	/* Nobody answers: its time ends, and the next one is tried. */
	const lastsMs = LINK.hard.timeMs + 2 * TUNING.graceMs;
	const said = at(now() + lastsMs);
	assert.ok(said.includes("audit expired 1"), `${said}`);
	assert.ok(said.includes("audit expired 2"), `${said}`);
	assert.ok(said.includes("audit issue 3 expired"), `${said}`);
});

test("a link that is not wanted any more: sender first, nothing is left", () => {
	const { act, machine, done, at } = inUse();
	assert.deepEqual(
		act(() => machine.declare(undefined, 0)),
		["remove a 1"],
	);
	assert.deepEqual(done("remove", "sender", 1), []);
	assert.deepEqual(at(TUNING.drainMs), ["remove b 1"]);
	assert.deepEqual(done("remove", "receiver", 1), ["audit removed 1"]);
	assert.equal(machine.nextMs, Number.POSITIVE_INFINITY);
	/* Numbers go on when it comes back. */
	assert.deepEqual(
		act(() => machine.declare(LINK, 0)),
		["audit issue 2 first", "install b 2"],
	);
});

test("rekeys are spread: 1,000 links, no tenth of the span without or with most", () => {
	const tenths = Array<number>(10).fill(0);
	const { softShare, jitterShare } = TUNING;
	for (let seed = 0; seed < 1000; seed++) {
		const { state } = start(LINK, seed);
		const share = (state.sas[0]?.soft.timeMs ?? 0) / LINK.hard.timeMs;
		assert.ok(share > softShare - jitterShare - 1e-4 && share <= softShare);
		const tenth = Math.floor(((softShare - share) / jitterShare) * 9.999);
		tenths[tenth] = (tenths[tenth] ?? 0) + 1;
	}
	assert.ok(Math.min(...tenths) > 50 && Math.max(...tenths) < 200, `${tenths}`);
});

test("a short-lived key gets its successor a second before its end, or after half its life", () => {
	for (const [hardMs, latestMs] of [
		[10_000, 8000],
		[5000, 4000],
		[3000, 2000],
		[1000, 500],
	] as const) {
		const link = { ...LINK, hard: { ...LINK.hard, timeMs: hardMs } };
		for (let seed = 0; seed < 100; seed++) {
			const softMs = start(link, seed).state.sas[0]?.soft.timeMs ?? 0;
			const earliestMs = latestMs - hardMs * TUNING.jitterShare;
			assert.ok(softMs <= latestMs && softMs >= earliestMs - 1, `${softMs}`);
		}
	}
});

test("no order of events installs at the sender what the receiver did not confirm", () => {
	const step = fc.constantFrom<StepName>("install", "switch", "remove");
	const role = fc.constantFrom<Role>("sender", "receiver");
	const generation = fc.integer({ min: 1, max: 4 });
	const event = fc.oneof(
		fc.record({ kind: fc.constant("done" as const), step, role, generation }),
		fc.record({
			kind: fc.constant("refused" as const),
			step,
			role,
			generation,
		}),
		fc.record({
			kind: fc.constant("expired" as const),
			role,
			generation,
			soft: fc.boolean(),
		}),
		fc.record({
			kind: fc.constant("report" as const),
			role,
			held: fc.subarray([1, 2, 3, 4]),
			active: generation,
		}),
		fc.record({
			kind: fc.constant("revoke" as const),
			slot: fc.option(generation, { nil: undefined }),
		}),
		fc.record({ kind: fc.constant("declare" as const), wanted: fc.boolean() }),
		fc.record({ kind: fc.constant("later" as const), ms: fc.nat(60_000) }),
	);
	fc.assert(
		fc.property(fc.array(event, { maxLength: 40 }), (events) => {
			const { machine, act, at, now, state, keys } = start();
			const confirmed = new Map<Role, Set<number>>([
				["sender", new Set()],
				["receiver", new Set()],
			]);
			for (const one of events) {
				const said =
					one.kind === "later"
						? at(now() + one.ms)
						: act(() => {
								const nowMs = now();
								if (one.kind === "done") {
									machine.done(one.step, one.role, one.generation, nowMs);
									if (one.step === "install")
										confirmed.get(one.role)?.add(one.generation);
								} else if (one.kind === "refused") {
									machine.refused(
										one.step,
										one.role,
										one.generation,
										"no",
										0,
										nowMs,
									);
								} else if (one.kind === "expired") {
									machine.expired(
										one.role,
										one.generation,
										one.soft,
										"bytes",
										nowMs,
									);
								} else if (one.kind === "report") {
									const held = one.held.map((generation) => ({
										...LINK,
										generation,
										role: one.role,
										ageMs: 0,
										active: one.role === "sender" && generation === one.active,
									}));
									for (const sa of held)
										confirmed.get(one.role)?.add(sa.generation);
									machine.report(LINK[one.role], held, nowMs);
								} else if (one.kind === "revoke") {
									machine.revoke(one.slot, "op", nowMs);
								} else {
									machine.declare(one.wanted ? LINK : undefined, nowMs);
								}
							});
				for (const line of said) {
					const [what, ef, number] = line.split(" ");
					const of = Number(number);
					if (what === "install" && ef === "a")
						assert.ok(confirmed.get("receiver")?.has(of), line);
					if (what === "switch") {
						assert.ok(confirmed.get("sender")?.has(of), line);
						assert.equal(ef, "a");
					}
				}
				const generations = state.sas.map((sa) => sa.generation);
				assert.deepEqual(
					generations,
					[...new Set(generations)].sort((a, b) => a - b),
				);
				const slots = new Set(generations.map((one) => one % 16));
				assert.equal(slots.size, generations.length, "two in one slot");
				for (const [generation, key] of keys) {
					const sa = state.sas.find((one) => one.generation === generation);
					const given = sa?.phase.startsWith("install") ?? false;
					assert.equal(key.wiped, !given, `key of ${generation}`);
				}
			}
		}),
		{ numRuns: 500 },
	);
});
