import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeState, PathState } from "../plan/state.js";
import { empty } from "../plan/steps.js";
import { Detours } from "./detours.js";

const path = (spi: number, more: Partial<PathState>): PathState => ({
	spi,
	reverseSpi: spi + 1,
	direction: "forward",
	tenantId: 1,
	policy: "p",
	length: 1,
	mtu: 1400,
	active: true,
	hops: [null, null],
	...more,
});

const state: NodeState = {
	...empty({ node: "a", nodeId: 1, mtu: 1500 }),
	peers: [
		{ nodeId: 2, name: "b", underlay: "192.0.2.2" },
		{ nodeId: 3, name: "c", underlay: "192.0.2.3" },
		{ nodeId: 4, name: "d", underlay: "192.0.2.4" },
	],
	paths: [
		path(1, { backup: 3, relies: [2, 4] }),
		path(3, { relies: [3, 4] }),
		path(5, { relies: [2, 4] }),
	],
};

function world() {
	let nowMs = 0;
	let failed: number[] = [];
	const told: string[] = [];
	const detours = new Detours(
		{ detour: (spis) => (failed = [...spis]) },
		(message) => told.push(message),
		() => nowMs,
	);
	return {
		told,
		review(silent: readonly number[] | undefined): number[] {
			detours.review(state, silent);
			return failed;
		},
		pass: (ms: number) => (nowMs += ms),
	};
}

test("a path is left while a node it relies on is silent, and some time after", () => {
	const { review, pass, told } = world();
	assert.deepEqual(review([]), []);
	assert.deepEqual(review([2]), [1]);
	assert.deepEqual(review([]), [1]);
	pass(9_999);
	assert.deepEqual(review([]), [1]);
	pass(1);
	assert.deepEqual(review([]), []);
	assert.deepEqual(told, [
		"nothing is heard of b: 1 paths take their backups",
		"all nodes are heard again, paths go by them as before",
	]);
});

test("the time counts anew when the node falls silent once more", () => {
	const { review, pass } = world();
	review([2]);
	review([]);
	pass(9_000);
	review([2]);
	review([]);
	pass(9_000);
	assert.deepEqual(review([]), [1]);
	pass(1_000);
	assert.deepEqual(review([]), []);
});

test("a backup that is broken, too, is not taken", () => {
	const { review } = world();
	assert.deepEqual(review([4]), []);
	assert.deepEqual(review([2, 3]), []);
});

test("while nobody listens all stays as it is", () => {
	const { review } = world();
	review([2]);
	assert.deepEqual(review(undefined), [1]);
});
