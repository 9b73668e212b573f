import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, REPLAY, SEED } from "../../test/random.js";
import { NO_MEMORY } from "./allocate.js";
import { applyStep } from "./apply.js";
import { diff } from "./diff.js";
import { mobileEdge } from "./fixtures.js";
import { plan } from "./plan.js";
import { changed, randomIntent } from "./random-networks.js";
import type { NodeState } from "./state.js";
import { empty } from "./steps.js";
import { transition } from "./transition.js";

/** Lists in one order: what they hold counts, not where. */
function sorted(state: NodeState): NodeState {
	const by = <T>(list: readonly T[], key: (one: T) => string) =>
		[...list].sort((a, b) => (key(a) < key(b) ? -1 : 1));
	return {
		...state,
		tenants: by(state.tenants, ({ id }) => `${id}`),
		interfaces: by(state.interfaces, (one) => `${one.name} ${one.vlan}`),
		peers: by(state.peers, ({ nodeId }) => `${nodeId}`),
		instances: by(
			state.instances,
			(one) => `${one.function}/${one.instance}`,
		).map((one) => ({ ...one, ports: by(one.ports, ({ id }) => `${id}`) })),
		paths: by(state.paths, ({ spi }) => `${spi}`),
		ruleSets: by(state.ruleSets, (one) => `${one.tenantId} ${one.side}`),
	};
}

/** Rules point to paths that are there, paths to ports and peers that are there. */
function checkOrder(state: NodeState, label: string): void {
	const spis = new Set(state.paths.map(({ spi }) => spi));
	const active = new Set(
		state.paths.filter((path) => path.active).map(({ spi }) => spi),
	);
	for (const { rules, tenantId, side } of state.ruleSets) {
		assert.ok(
			state.tenants.some(({ id }) => id === tenantId),
			`${label}: rules of no tenant`,
		);
		for (const { action } of rules) {
			for (const spi of action.kind === "chain" ? new Set(action.slots) : []) {
				assert.ok(spis.has(spi), `${label}: ${side} rule without path ${spi}`);
				assert.ok(active.has(spi), `${label}: ${side} rule on draining ${spi}`);
			}
		}
	}
	const ports = new Set(
		state.instances.flatMap((one) => one.ports.map(({ id }) => id)),
	);
	const peers = new Set(state.peers.map(({ nodeId }) => nodeId));
	for (const { spi, hops } of state.paths) {
		for (const hop of hops) {
			if (hop && "port" in hop) {
				assert.ok(ports.has(hop.port), `${label}: ${spi} without ${hop.port}`);
			}
			if (hop && "nodeId" in hop) {
				assert.ok(peers.has(hop.nodeId), `${label}: ${spi} without peer`);
			}
		}
	}
	for (const { role, tenantId } of state.interfaces) {
		if (role === "access") {
			assert.ok(
				state.ruleSets.some(
					(set) => set.tenantId === tenantId && set.side === "access",
				),
				`${label}: users without rules`,
			);
		}
	}
}

test("what is there needs no step", () => {
	for (const state of plan(mobileEdge(), NO_MEMORY).plan.states.values()) {
		assert.deepEqual(diff(state, structuredClone(state)), []);
		assert.deepEqual(diff(state, { ...state, revision: 9 }), [
			{ kind: "revision-set", revision: 9 },
		]);
	}
});

test("from nothing: instances, ports, paths, rules, and only then users", () => {
	const state = plan(mobileEdge(), NO_MEMORY).plan.states.get("edge1");
	assert.ok(state);
	assert.deepEqual(
		diff(null, state).map(({ kind }) => kind),
		[
			"node-set",
			"tenant-set",
			"peer-set",
			"instance-add",
			"port-set",
			...Array<string>(4).fill("path-set"),
			"interface-set",
			"ruleset-replace",
			"interface-set",
			"revision-set",
		],
	);
});

test("steps lead to what is desired, and every prefix of them is sound", (t) => {
	t.diagnostic(REPLAY);
	let steps = 0;
	for (let round = 0; round < 15; round++) {
		const random = new Random(SEED + round);
		let intent = randomIntent(random);
		let { plan: made, memory } = plan(intent, NO_MEMORY);
		const actual = new Map<string, NodeState>();
		const apply = (states: ReadonlyMap<string, NodeState>) => {
			for (const [name, desired] of states) {
				let state = actual.get(name) ?? null;
				const list = diff(state, desired);
				state ??= empty(desired);
				for (const [index, step] of list.entries()) {
					state = applyStep(state, step);
					const again = applyStep(state, step);
					assert.deepEqual(sorted(again), sorted(state), "not idempotent");
					checkOrder(
						state,
						`${REPLAY} round ${round} ${name} step ${index} ${step.kind}`,
					);
				}
				steps += list.length;
				assert.deepEqual(sorted(state), sorted(desired));
				actual.set(name, state);
			}
		};
		apply(made.states);
		for (let change = 0; change < 4; change++) {
			intent = changed(random, intent);
			({ plan: made, memory } = plan(intent, memory));
			const stages = transition(actual, made.states);
			/* With and without the stages between. */
			if (random.chance(70)) {
				apply(stages.make);
				apply(stages.switch);
			}
			apply(stages.break);
		}
		apply(new Map([...actual].map(([name, one]) => [name, empty(one)])));
	}
	assert.ok(steps > 1000, `only ${steps} steps`);
});
