/** Protected paths: who stands in, with keys of its own, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FunctionDocument, PolicyDocument } from "../model/intent.js";
import { NO_MEMORY } from "./allocate.js";
import { declaredBy } from "./declared.js";
import { fn, intentOf, node, policy, tenant } from "./fixtures.js";
import { checkInvariants, checkTransition } from "./invariants.js";
import { linksOf } from "./links.js";
import { type Plan, plan } from "./plan.js";
import type { PathState } from "./state.js";
import { remainder, transition } from "./transition.js";

const standby = (of: FunctionDocument, ...names: readonly string[]) => ({
	...of,
	spec: {
		...of.spec,
		instances: of.spec.instances.map((one) =>
			names.includes(one.name) ? { ...one, standby: true } : one,
		),
	},
});

/** Users at in, the exit at out, scanners at x and y, a firewall at in. */
function network(
	scan: FunctionDocument,
	spec: Partial<PolicyDocument["spec"]> = {},
) {
	return intentOf(
		tenant("t"),
		node("in", 1, "access:t"),
		node("out", 2, "exit"),
		node("x", 3),
		node("y", 4),
		fn("fw", ["f@in"]),
		scan,
		policy("p", "match(*) >> fw -> scan", {
			encrypt: { when: "between-nodes", protect: true },
			...spec,
		}),
	);
}

const spare = standby(fn("scan", ["a@x", "b@y"]), "b");

function pathOf(made: Plan, name: string, spi: number | undefined): PathState {
	const path = made.states.get(name)?.paths.find((one) => one.spi === spi);
	assert.ok(path, `node ${name} has no path ${spi}`);
	return path;
}

const instancesOf = (made: Plan, spi: number | undefined) =>
	made.paths
		.find((one) => one.spi === spi)
		?.stops.map((one) => `${one.instance}@${one.node}`);

const messages = (made: Plan) =>
	made.problems.map((one) => `${one.severity}: ${one.message}`).join("\n");

test("a standby elsewhere stands in, both ways, and its links have keys already", () => {
	const intent = network(spare);
	const made = plan(intent, NO_MEMORY).plan;
	assert.equal(messages(made), "");
	assert.deepEqual(checkInvariants(made.states, declaredBy(intent)), []);
	const primary = made.paths[0];
	assert.deepEqual(instancesOf(made, primary?.spi), ["f@in", "a@x"]);
	assert.deepEqual(instancesOf(made, primary?.backup), ["f@in", "b@y"]);
	const there = pathOf(made, "in", primary?.spi);
	assert.equal(there.backup, primary?.backup);
	const back = pathOf(made, "out", primary?.reverseSpi);
	assert.equal(back.backup, (primary?.backup ?? 0) + 1);
	/* Only where packets enter. */
	assert.equal(pathOf(made, "x", primary?.spi).backup, undefined);
	assert.equal(pathOf(made, "out", primary?.spi).backup, undefined);
	const links = linksOf(made.states.values());
	for (const spi of [there.backup, back.backup]) {
		const nodes = links
			.filter((one) => one.eSpi === spi)
			.map((one) => `${one.sender}>${one.receiver}`);
		assert.equal(nodes.length, 2);
		assert.ok(nodes.every((one) => !/x/.test(one)));
	}
	/* New flows do not take it. */
	const { rules = [] } = made.states.get("in")?.ruleSets[0] ?? {};
	assert.deepEqual(
		rules.map(({ action }) => action),
		[{ kind: "chain", slots: [primary?.spi] }],
	);
});

test("two that serve stand in for each other, by the paths they have", () => {
	const made = plan(network(fn("scan", ["a@x", "b@y"])), NO_MEMORY).plan;
	const access = made.paths.filter(({ side }) => side === "access");
	assert.equal(access.length, 2);
	const [one, other] = access;
	assert.equal(one?.backup, other?.spi);
	assert.equal(other?.backup, one?.spi);
});

test("after the failure the path that stood in is the one that is planned", () => {
	const intent = network(spare);
	const first = plan(intent, NO_MEMORY);
	const backup = first.plan.paths[0]?.backup;
	const second = plan(intent, first.memory, { nodesDown: new Set(["x"]) });
	const { rules = [] } = second.plan.states.get("in")?.ruleSets[0] ?? {};
	assert.deepEqual(
		rules.map(({ action }) => action),
		[{ kind: "chain", slots: [backup] }],
	);
	assert.match(
		messages(second.plan),
		/^warning: policy p: no instance of function scan is up on another node than y/,
	);
	const stages = transition(first.plan.states, second.plan.states);
	assert.deepEqual(
		checkTransition(first.plan.states, stages, declaredBy(intent)),
		[],
	);
});

test("a path that drains keeps its backup, idle as that is", () => {
	const first = plan(network(spare), NO_MEMORY);
	const plain = network(spare, { encrypt: "never" });
	const second = plan(plain, first.memory).plan.states;
	const stages = transition(first.plan.states, second);
	const primary = first.plan.paths[0];
	assert.ok(primary?.backup);
	const idle = new Set([primary.backup, primary.backup + 1]);
	const left = remainder(stages.switch, second, idle);
	assert.deepEqual(checkInvariants(left), []);
	const spis = left.get("in")?.paths.map(({ spi }) => spi) ?? [];
	assert.ok(spis.includes(primary.spi) && spis.includes(primary.backup));
	const all = new Set(
		[...first.plan.paths].flatMap((one) => [one.spi, one.reverseSpi]),
	);
	assert.deepEqual(remainder(stages.switch, second, all), stages.break);
});

test("a backup may come to be without a new path", () => {
	const first = plan(network(fn("scan", ["a@x"])), NO_MEMORY);
	assert.match(messages(first.plan), /nothing stands in when that fails/);
	const intent = network(spare);
	const second = plan(intent, first.memory);
	const spi = first.plan.paths[0]?.spi;
	assert.equal(second.plan.paths[0]?.spi, spi);
	assert.ok(second.plan.paths[0]?.backup);
	const stages = transition(first.plan.states, second.plan.states);
	assert.deepEqual(
		checkTransition(first.plan.states, stages, declaredBy(intent)),
		[],
	);
});

test("without another way a warning says so", () => {
	const direct = intentOf(
		tenant("t"),
		node("in", 1, "access:t"),
		node("out", 2, "exit"),
		fn("fw", ["f@in"]),
		policy("p", "match(*) >> fw", {
			encrypt: { when: "between-nodes", protect: true },
		}),
	);
	const made = plan(direct, NO_MEMORY).plan;
	assert.match(messages(made), /from node in to node out at once/);
	assert.ok(made.paths.every((one) => one.backup === undefined));
});

test("a function that could come to a node without encryption function is refused", () => {
	const intent = network(spare);
	const bare = node("y", 4);
	const { underlay: _, ...spec } = bare.spec;
	const nodes = new Map(intent.nodes).set("y", { ...bare, spec });
	for (const encrypt of [
		{ when: "between-nodes", protect: true },
		"between-nodes",
	] as const) {
		const policies = new Map(intent.policies).set(
			"p",
			policy("p", "match(*) >> fw -> scan", { encrypt }),
		);
		const made = plan({ ...intent, nodes, policies }, NO_MEMORY).plan;
		assert.match(
			messages(made),
			/^error: policy p: function scan could come to serve on node y, which can have no encryption function/,
		);
		assert.equal(made.paths.length, 0);
	}
});

test("a backup of another policy, tenant or class, or none at all, is told", () => {
	const intent = network(spare);
	const made = plan(intent, NO_MEMORY).plan;
	const [primary] = made.paths;
	const { spi = 0, reverseSpi, backup = 0 } = primary ?? {};
	for (const [of, change, expected] of [
		[spi, { backup: 60_000 }, /its backup 60000 does not begin at node in/],
		[spi, { backup: reverseSpi }, /does not begin at node in/],
		[spi, { backup: spi }, /is itself/],
		[backup, { flowClass: "p/other" }, /is not for its packets/],
		[backup, { tenantId: 7 }, /is not for its packets/],
	] as const) {
		const copy = structuredClone(made.states) as Map<string, never>;
		Object.assign(pathOf({ ...made, states: copy }, "in", of), change);
		const found = checkInvariants(copy, declaredBy(intent));
		assert.ok(
			found.some(({ message }) => expected.test(message)),
			found.map(({ message }) => message).join("\n"),
		);
	}
});
