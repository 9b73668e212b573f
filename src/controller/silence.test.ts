import assert from "node:assert/strict";
import { test } from "node:test";
import type { EfStatus } from "../plan/ef.js";
import type { NodeStatus } from "../plan/protocol.js";
import { createSilence } from "./silence.js";

const NAMES = ["", "a", "b", "c"];

function status(
	state: EfStatus["state"],
	...silent: readonly number[]
): NodeStatus {
	const ef: EfStatus = {
		state,
		reason: "",
		restarts: 0,
		enrolled: true,
		connected: true,
		sas: 0,
		active: 0,
		silent,
	};
	return { revision: 1, instances: [], idlePaths: [], ef };
}

function world() {
	const told: string[] = [];
	const clock = { ms: 0 };
	const silence = createSilence({
		nameOf: (id) => NAMES[id],
		changed: (node, isDead) => told.push(`${node} ${isDead}`),
		hangs: (node) => told.push(`${node} hangs`),
		nowMs: () => clock.ms,
	});
	return { silence, told, clock };
}

test("a node is dead that others do not hear and that is gone", () => {
	const { silence, told } = world();
	for (const node of ["a", "b", "c"]) silence.status(node, status("up"));
	silence.status("b", undefined);
	assert.deepEqual(told, []);
	silence.status("a", status("up", 2));
	silence.status("c", status("up", 2));
	assert.deepEqual(told, ["b true"]);
	silence.status("b", status("up"));
	assert.deepEqual(told, ["b true", "b false"]);
});

test("so is one whose encryption function is down, as it says itself", () => {
	const { silence, told } = world();
	silence.status("b", status("down"));
	silence.status("a", status("up", 2));
	assert.deepEqual(told, ["b true"]);
	silence.status("a", status("up"));
	assert.deepEqual(told, ["b true"]);
	silence.status("b", status("up"));
	assert.deepEqual(told, ["b true", "b false"]);
});

test("a dead node stays so when nobody listens for it any more, until it says more", () => {
	const { silence, told } = world();
	for (const node of ["a", "b"]) silence.status(node, status("up"));
	silence.status("b", undefined);
	silence.status("a", status("up", 2));
	silence.status("a", status("up"));
	assert.deepEqual(told, ["b true"]);
	assert.ok(silence.isDead("b"));
	/* Nothing is sealed there now. */
	const { ef: _, ...without } = status("up");
	silence.status("b", without);
	assert.deepEqual(told, ["b true", "b false"]);
	assert.ok(!silence.isDead("b"));
});

test("what was said of a dead node outlasts the agent that said it", () => {
	const { silence, told } = world();
	for (const node of ["a", "b"]) silence.status(node, status("up"));
	silence.status("b", undefined);
	silence.status("a", status("up", 2));
	silence.status("a", undefined);
	silence.status("a", status("starting"));
	assert.deepEqual(told, ["b true"]);
	silence.status("b", status("up"));
	assert.deepEqual(told, ["b true", "b false"]);
});

test("two that are well and do not hear each other are both alive", () => {
	const { silence, told } = world();
	for (const node of ["a", "b"]) silence.status(node, status("up"));
	silence.status("a", status("up", 2));
	silence.status("b", status("up", 1));
	assert.deepEqual(told, []);
});

test("a node cannot declare itself dead, nor one that nobody knows", () => {
	const { silence, told } = world();
	silence.status("a", status("down", 1, 9));
	assert.deepEqual(told, []);
});

test("a node whose agent says nothing, though it is connected, is dead, too", () => {
	const { silence, told, clock } = world();
	for (const node of ["a", "b"]) silence.status(node, status("up"));
	clock.ms = 1400;
	silence.status("a", status("up", 2));
	assert.deepEqual(told, []);
	clock.ms = 2400;
	silence.status("a", status("up", 2));
	assert.deepEqual(told, ["b hangs", "b true"]);
	silence.status("b", undefined);
	clock.ms = 3400;
	silence.status("a", status("up", 2));
	assert.equal(told.length, 2);
	silence.status("b", status("up"));
	assert.deepEqual(told.slice(2), ["b false"]);
});

test("one that says nothing, but is heard by others, is left alone", () => {
	const { silence, told, clock } = world();
	for (const node of ["a", "b"]) silence.status(node, status("up"));
	clock.ms = 10_000;
	silence.status("a", status("up"));
	assert.deepEqual(told, []);
});
