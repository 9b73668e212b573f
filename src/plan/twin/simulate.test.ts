import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, REPLAY, SEED } from "../../../test/random.js";
import { DEFAULT_PRIORITY } from "../../model/change.js";
import type { Intent } from "../../model/intent.js";
import { evaluate, parseRule } from "../../model/language/index.js";
import type { Packet } from "../../model/packet.js";
import { NO_MEMORY } from "../allocate.js";
import { createPlanner } from "../plan.js";
import { changed, randomIntent, randomPacket } from "../random-networks.js";
import { type TraceStep, Twin } from "./trace.js";

const ROUNDS = 250;
const PACKETS = 400;

/** Policies of the intent that hold for a packet, as the language means them. */
function firstPolicy(intent: Intent, packet: Packet) {
	return [...intent.policies.values()]
		.filter(
			({ spec }) => spec.tenant === undefined || spec.tenant === packet.tenant,
		)
		.sort(
			(a, b) =>
				(b.spec.priority ?? DEFAULT_PRIORITY) -
					(a.spec.priority ?? DEFAULT_PRIORITY) || (a.name < b.name ? -1 : 1),
		)
		.map(({ name, spec }) => {
			const parsed = parseRule(spec.rule);
			assert.ok(parsed.ok);
			return { name, ...parsed.rule };
		})
		.find(({ predicate }) => evaluate(predicate, packet));
}

const stopsOf = (steps: readonly TraceStep[]) =>
	steps.flatMap((step) =>
		step.kind === "port" || step.kind === "tap"
			? [`${step.function}/${step.instance}`]
			: [],
	);

/** Invariant 2 on what happened: SI and TTL only ever fall. */
function checkFalling(steps: readonly TraceStep[], label: string): void {
	let last = { si: 256, ttl: 64 };
	for (const step of steps) {
		if ("si" in step) {
			assert.ok(step.si <= last.si && step.ttl < last.ttl, label);
			last = step;
		}
	}
}

test("random packets through random networks: invariants 1, 2, 4 and 5", (t) => {
	t.diagnostic(REPLAY);
	const seen = { packets: 0, chained: 0, replies: 0, passed: 0, dropped: 0 };
	for (let round = 0; round < ROUNDS; round++) {
		const random = new Random(SEED + round);
		const planner = createPlanner();
		let intent = randomIntent(random);
		let made = planner(intent, NO_MEMORY);
		const twin = new Twin(made.plan.states);
		const tenants = [...intent.tenants.keys()];
		const tenantOf = new Map<number, string>();
		for (let i = 0; i < PACKETS; i++) {
			if (i === PACKETS / 2) {
				intent = changed(random, intent);
				made = planner(intent, made.memory);
				twin.update(made.plan.states);
			}
			for (const { spi, reverseSpi, tenant } of made.plan.paths) {
				tenantOf.set(spi, tenant).set(reverseSpi, tenant);
			}
			const name = random.pick(tenants);
			const inbound = random.chance(20);
			const packet = randomPacket(
				random,
				name,
				1 + tenants.indexOf(name),
				inbound,
			);
			const label = `${REPLAY} round ${round} packet ${i} ${JSON.stringify(packet)}`;
			const start = startOf(random, intent, name, inbound);
			const steps = twin.send({ ...start, packet });
			seen.packets++;
			checkFalling(steps, label);
			const exit = steps.find((step) => step.kind === "exit");
			const dropped = steps.some((step) => step.kind === "drop");
			const expected = firstPolicy(intent, packet);
			const met = stopsOf(steps);
			if (steps.some((step) => step.kind === "flow" && step.learned)) {
				continue;
			}
			if (expected?.action.kind === "chain" && !dropped) {
				assert.deepEqual(
					met.map((stop) => stop.split("/")[0]),
					expected.action.functions,
					label,
				);
				assert.ok(exit, label);
			}
			if (expected?.action.kind !== "chain") {
				const drops =
					(expected?.action.kind ?? intent.tenants.get(name)?.spec.default) ===
					"drop";
				assert.equal(dropped, drops, label);
				assert.deepEqual(met, [], label);
			}
			seen.chained += exit ? 1 : 0;
			seen.dropped += dropped ? 1 : 0;
			seen.passed += !exit && !dropped ? 1 : 0;
			for (const step of steps) {
				if ("si" in step) {
					assert.equal(tenantOf.get(step.spi), name, label);
				}
			}
			const reply = exit && twin.reply(steps, packet);
			if (reply) {
				const back = twin.send(reply);
				seen.packets++;
				seen.replies++;
				checkFalling(back, label);
				assert.deepEqual(stopsOf(back), met.toReversed(), label);
				const home = back.find((step) => step.kind === "exit");
				assert.equal(home?.node, start.node, label);
			}
		}
	}
	t.diagnostic(JSON.stringify(seen));
	assert.ok(seen.packets >= 100_000);
	for (const [what, count] of Object.entries(seen)) {
		assert.ok(count > seen.packets / 100, `hardly any ${what}: ${count}`);
	}
});

/** A place where packets of the tenant enter, or those to it. */
function startOf(
	random: Random,
	intent: Intent,
	name: string,
	inbound: boolean,
) {
	const places = [...intent.nodes.values()].flatMap((one) =>
		one.spec.interfaces
			.filter(({ role, tenant }) =>
				inbound ? role === "exit" : role === "access" && tenant === name,
			)
			.map((port) => ({ node: one.name, interface: port.name })),
	);
	return random.pick(places);
}

test("replans: what did not change keeps its SPIs, most flows their instances", (t) => {
	t.diagnostic(REPLAY);
	let kept = 0;
	let total = 0;
	for (let round = 0; round < 100; round++) {
		const random = new Random(SEED + round);
		const planner = createPlanner();
		const intent = randomIntent(random);
		const before = planner(intent, NO_MEMORY);
		const target = random.pick([...intent.functions.values()]);
		const gone = random.pick(target.spec.instances);
		const excluded = new Set([`${target.name}/${gone.name}`]);
		const after = planner(intent, before.memory, { excluded });
		const identity = ({
			spi: _,
			reverseSpi: __,
			stops,
			...path
		}: (typeof before.plan.paths)[number]) =>
			JSON.stringify({
				...path,
				stops: stops.map(({ port: _, ...stop }) => stop),
			});
		const now = new Map(
			after.plan.paths.map((path) => [identity(path), path.spi]),
		);
		for (const path of before.plan.paths) {
			const spi = now.get(identity(path));
			assert.ok(spi === undefined || spi === path.spi, REPLAY);
		}
		const back = planner(intent, after.memory);
		const used = new Set(after.plan.paths.map(({ spi }) => spi));
		const old = new Set(before.plan.paths.map(({ spi }) => spi));
		for (const { spi } of back.plan.paths) {
			assert.ok(used.has(spi) || !old.has(spi), `SPI ${spi} is used too soon`);
		}
		/* Slots whose instances are all healthy should mostly stay. */
		for (const [name, state] of before.plan.states) {
			for (const [set, { rules }] of state.ruleSets.entries()) {
				for (const [index, rule] of rules.entries()) {
					const later =
						after.plan.states.get(name)?.ruleSets[set]?.rules[index]?.action;
					if (rule.action.kind !== "chain" || later?.kind !== "chain") continue;
					for (const [slot, spi] of rule.action.slots.entries()) {
						const path = before.plan.paths.find((one) => one.spi === spi);
						const hit = path?.stops.some((one) =>
							excluded.has(`${one.function}/${one.instance}`),
						);
						if (hit === false && rule.action.slots.length > 1) {
							const only = later.slots.length === 1 ? 0 : slot;
							total++;
							kept += later.slots[only] === spi ? 1 : 0;
						}
					}
				}
			}
		}
	}
	t.diagnostic(`${kept} of ${total} slots kept`);
	assert.ok(kept > total * 0.6, `${kept} of ${total} slots kept`);
});
