/** Changes: what runs holds the invariants at every stage of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, REPLAY, SEED } from "../../test/random.js";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import {
	acrossThreeNodes,
	fn,
	intentOf,
	node,
	policy,
	tenant,
} from "./fixtures.js";
import { checkInvariants, checkTransition } from "./invariants.js";
import { plan } from "./plan.js";
import { changed, randomIntent } from "./random-networks.js";
import type { PathState } from "./state.js";
import { remainder, type States, transition } from "./transition.js";

const intent = acrossThreeNodes;
const states = plan(intent, NO_MEMORY).plan.states;
const declared = declaredBy(intent);

const pairOf = (path: PathState) => Math.min(path.spi, path.reverseSpi) >> 1;
const withoutRevision = (states: States) =>
	[...states.values()].map((state) => ({ ...state, revision: 0 }));

test("a change keeps the invariants at every stage", (t) => {
	t.diagnostic(REPLAY);
	for (let round = 0; round < 25; round++) {
		const random = new Random(SEED + round);
		const label = `${REPLAY} round ${round}`;
		let now = randomIntent(random);
		let { plan: made, memory } = plan(now, NO_MEMORY);
		assert.deepEqual(checkInvariants(made.states, declaredBy(now)), [], label);
		let running: States = made.states;
		for (let step = 0; step < 4; step++) {
			const next = changed(random, now);
			const replanned = plan(next, memory);
			const old = new Set(
				[...running.values()].flatMap(({ paths }) =>
					paths.filter((p) => !p.active).map((p) => p.spi),
				),
			);
			const stages = transition(running, replanned.plan.states, old);
			assert.deepEqual(
				checkTransition(running, stages, declaredBy(now, next)),
				[],
				label,
			);
			/* Some old paths drain before others. */
			const some = new Set(
				[...stages.switch.values()].flatMap(({ paths }) =>
					paths
						.filter((path) => !path.active && pairOf(path) % 2 === step % 2)
						.map((path) => path.spi),
				),
			);
			const left = remainder(stages.switch, replanned.plan.states, some);
			assert.deepEqual(checkInvariants(left), [], label);
			const again = transition(left, replanned.plan.states);
			for (const stage of ["make", "switch"] as const) {
				assert.deepEqual(
					withoutRevision(again[stage]),
					withoutRevision(left),
					`${label}: nothing is left to ${stage}`,
				);
			}
			/* Sometimes the next change comes before the old paths drained. */
			running = random.chance(50) ? stages.switch : stages.break;
			({ plan: made, memory } = replanned);
			now = next;
		}
	}
});

test("a stage that takes a path away is told", () => {
	const next = plan(
		{ ...intent, policies: new Map([...intent.policies].slice(0, 1)) },
		plan(intent, NO_MEMORY).memory,
	).plan.states;
	const stages = transition(states, next);
	assert.deepEqual(checkTransition(states, stages, declared), []);
	const hasty = { ...stages, switch: stages.break };
	const found = checkTransition(states, hasty, declared);
	assert.ok(
		found.some((one) => one.invariant === 6 && one.policy === "q"),
		JSON.stringify(found),
	);
});

test("the first plan and the last are changes like others", () => {
	const nothing: States = new Map();
	const first = transition(nothing, states);
	assert.deepEqual(checkTransition(nothing, first, declared), []);
	const none = plan(
		{ ...intent, policies: new Map(), tenants: new Map(), nodes: new Map() },
		plan(intent, NO_MEMORY).memory,
	).plan.states;
	const last = transition(states, none);
	assert.deepEqual(checkTransition(states, last, declared), []);
});

test("a tenant's only access point moves to another node and away", () => {
	const at = (...places: readonly string[]) =>
		intentOf(
			tenant("red"),
			...["n1", "n2"].map((name, index) =>
				node(name, index + 1, ...(places.includes(name) ? ["access:red"] : [])),
			),
			node("n3", 3, "exit"),
			fn("fw", ["a@n1"]),
			policy("p", "match(proto=tcp) >> fw"),
		);
	let { plan: made, memory } = plan(at("n1"), NO_MEMORY);
	for (const places of [["n2"], [], ["n1"]]) {
		const next = plan(at(...places), memory);
		const stages = transition(made.states, next.plan.states);
		assert.deepEqual(
			checkTransition(made.states, stages, declaredBy(at("n1"))),
			[],
			`to ${places.join(" ") || "nowhere"}`,
		);
		({ plan: made, memory } = next);
	}
});
