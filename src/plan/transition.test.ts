/** Changes: what runs holds the invariants at every stage of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, REPLAY, SEED } from "../../test/random.js";
import type { Intent } from "../model/intent.js";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import {
	acrossDomains,
	acrossThreeNodes,
	fn,
	intentOf,
	node,
	policy,
	tenant,
} from "./fixtures.js";
import { checkInvariants, checkTransition } from "./invariants.js";
import { type Planned, plan } from "./plan.js";
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

test("paths that show what is sealed from now on are closed when nodes switch", () => {
	const clear = planned(acrossDomains({}));
	const sealed = planned(acrossDomains({ encrypt: "between-nodes" }), clear);
	const stages = transition(clear.plan.states, sealed.plan.states);
	const old = new Set(spisOf(clear));
	const closedIn = (states: States) =>
		pathsIn(states).filter((path) => path.closed);
	assert.deepEqual(closedIn(stages.make), []);
	const closed = closedIn(stages.switch);
	assert.deepEqual(new Set(closed.map(({ spi }) => spi)), old);
	assert.ok(closed.every(({ active }) => !active));
	assert.deepEqual(closedIn(stages.break), []);
	assert.deepEqual(checkTransition(clear.plan.states, stages), []);
});

test("so they are when a node comes to another domain; those that were sealed stay open", () => {
	const policy = { encrypt: "between-domains", onChange: "keep" } as const;
	const later = acrossDomains(policy);
	const node = later.nodes.get("a");
	assert.ok(node);
	const moved = { ...node, spec: { ...node.spec, domain: "two" } };
	const before = planned({
		...later,
		nodes: new Map([...later.nodes, ["a", moved]]),
	});
	const after = planned(later, before);
	const { switch: next } = transition(before.plan.states, after.plan.states);
	for (const path of pathsIn(next).filter(({ active }) => !active))
		assert.equal(
			path.closed === true,
			isExposed(path.spi, before),
			`${path.spi}`,
		);
});

test("a class that changes has its exception on other paths", () => {
	const withClass = (match: string) => {
		const spec = { when: "between-nodes" as const, except: ["video"] };
		const intent = acrossDomains({ encrypt: spec });
		const video = {
			kind: "FlowClass",
			name: "video",
			spec: { match },
		} as const;
		return { ...intent, flowClasses: new Map([["video", video]]) };
	};
	const wide = planned(withClass("proto=udp & dport=5004-5005"));
	const narrow = planned(withClass("proto=udp & dport=5004"), wide);
	const exceptions = ({ plan }: Planned) =>
		plan.paths
			.filter(({ flowClass }) => flowClass?.endsWith("/video"))
			.map(({ spi }) => spi);
	assert.ok(exceptions(wide).length > 0);
	const again = new Set(exceptions(wide));
	assert.deepEqual(
		exceptions(narrow).filter((spi) => again.has(spi)),
		[],
	);
});

function planned(intent: Intent, after?: Planned): Planned {
	return plan(intent, after?.memory ?? NO_MEMORY);
}

function pathsIn(states: States): PathState[] {
	return [...states.values()].flatMap(({ paths }) => paths);
}

function spisOf({ plan }: Planned): number[] {
	return pathsIn(plan.states).map(({ spi }) => spi);
}

function isExposed(spi: number, { plan }: Planned): boolean {
	return pathsIn(plan.states).some(
		(path) =>
			path.spi === spi &&
			path.hops.some((hop) => hop?.kind === "node" && hop.sealed !== "esp"),
	);
}
