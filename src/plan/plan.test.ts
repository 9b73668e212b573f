import assert from "node:assert/strict";
import { test } from "node:test";
import type { IntentDocument } from "../model/intent.js";
import { NO_MEMORY } from "./allocate.js";
import { fn, intentOf, mobileEdge, node, policy, tenant } from "./fixtures.js";
import { checkInvariants } from "./invariants.js";
import { type Plan, plan } from "./plan.js";
import type { NodeState, RuleAction } from "./state.js";

function planned(...documents: readonly IntentDocument[]): Plan {
	return plan(intentOf(...documents), NO_MEMORY).plan;
}

function stateOf(of: Plan, name: string): NodeState {
	const state = of.states.get(name);
	assert.ok(state, `no state of ${name}`);
	return state;
}

function actionOf(
	of: Plan,
	name: string,
	side: string,
): RuleAction | undefined {
	const sets = stateOf(of, name).ruleSets;
	return sets.find((set) => set.side === side)?.rules[0]?.action;
}

const messages = (of: Plan) =>
	of.problems.map((one) => `${one.severity}: ${one.message}`).join("\n");

test("two nodes: each holds its part, and nothing else", () => {
	const { plan: made } = plan(mobileEdge(), NO_MEMORY);
	assert.equal(messages(made), "");
	const edge1 = stateOf(made, "edge1");
	const edge2 = stateOf(made, "edge2");
	const port = { kind: "port", port: 1 };
	const tap = { kind: "tap", port: 1 };
	const to = (nodeId: number) => ({ kind: "node", nodeId });
	const hops = (state: NodeState, spi: number) =>
		state.paths.find((path) => path.spi === spi)?.hops;
	assert.deepEqual(hops(edge1, 1), [port, to(2), null]);
	assert.deepEqual(hops(edge2, 1), [null, tap, { kind: "exit" }]);
	assert.deepEqual(hops(edge2, 2), [tap, to(1), null]);
	assert.deepEqual(hops(edge1, 2), [null, port, { kind: "exit" }]);
	assert.equal(edge1.paths[0]?.mtu, 1440);
	assert.deepEqual(edge1.peers, [
		{ nodeId: 2, name: "edge2", underlay: "192.0.2.2" },
	]);
	assert.deepEqual(
		edge1.ruleSets.map(({ side }) => side),
		["access"],
	);
	assert.deepEqual(
		edge2.ruleSets.map(({ side }) => side),
		["exit"],
	);
});

test("functions away from the ingress: it begins with a node hop", () => {
	const made = planned(
		tenant("t"),
		node("in", 1, "access:t"),
		node("mid", 2),
		node("out", 3, "exit"),
		fn("fw", ["a@mid"]),
		policy("p", "match(*) >> fw"),
	);
	const path = (name: string) => stateOf(made, name).paths[0]?.hops;
	assert.deepEqual(path("in"), [{ kind: "node", nodeId: 2, far: true }, null]);
	assert.deepEqual(path("mid"), [
		{ kind: "port", port: 1 },
		{ kind: "node", nodeId: 3 },
	]);
	assert.deepEqual(path("out"), [null, { kind: "exit" }]);
	assert.deepEqual(
		stateOf(made, "in").peers.map(({ nodeId }) => nodeId),
		[2, 3],
		"a flow may come to go past the one between",
	);
});

test("all on one node: no peers, whole MTU", () => {
	const made = planned(
		tenant("t"),
		node("n", 1, "access:t", "exit"),
		fn("fw", ["a@n"]),
		policy("p", "match(*) >> fw"),
	);
	const state = stateOf(made, "n");
	assert.deepEqual(state.peers, []);
	assert.deepEqual(new Set(state.paths.map(({ mtu }) => mtu)), new Set([1500]));
});

test("the smallest underlay on the way bounds the MTU", () => {
	const small = node("in", 1, "access:t");
	const made = planned(
		tenant("t"),
		{ ...small, spec: { ...small.spec, mtu: 1400 } },
		node("out", 2, "exit"),
		fn("fw", ["a@out"]),
		policy("p", "match(*) >> fw"),
	);
	assert.equal(made.paths[0]?.mtu, 1340);
});

test("a flow meets the same instances wherever it enters", () => {
	const made = planned(
		tenant("t"),
		node("in1", 1, "access:t"),
		node("in2", 2, "access:t"),
		node("out", 3, "exit"),
		fn("fw", ["a@in1", "b@in2", "c@out*3"]),
		policy("p", "match(*) >> fw"),
	);
	const met = ["in1", "in2"].map((name) => {
		const action = actionOf(made, name, "access");
		assert.ok(action?.kind === "chain");
		assert.equal(action.slots.length, 251);
		return action.slots.map(
			(spi) => made.paths.find((path) => path.spi === spi)?.stops[0]?.instance,
		);
	});
	assert.deepEqual(met[0], met[1]);
	const share = met[0]?.filter((name) => name === "c").length ?? 0;
	assert.ok(share > 140 && share < 160, `c has ${share} slots of 251`);
});

test("with users at several nodes, connections from outside drop and a warning says so", () => {
	const documents = (predicate: string) => [
		tenant("t"),
		node("in1", 1, "access:t"),
		node("in2", 2, "access:t", "exit"),
		fn("fw", ["a@in1"]),
		policy("p", `match(${predicate}) >> fw`),
	];
	const made = planned(...documents("proto=tcp"));
	assert.equal(actionOf(made, "in2", "exit")?.kind, "drop");
	assert.match(messages(made), /^warning: policy p: .*any of nodes in1, in2/);
	/* A rule for the tenant's own sources says nothing of outsiders. */
	assert.equal(messages(planned(...documents("src=10.0.1.0/25"))), "");
});

test("no exit, several exits, a wrong exit", () => {
	const base = [
		node("in", 1, "access:t"),
		fn("fw", ["a@in"]),
		policy("p", "match(*) >> fw"),
	];
	const none = planned(tenant("t"), ...base);
	assert.match(messages(none), /^warning: tenant t: no node has an exit/);
	assert.equal(actionOf(none, "in", "access")?.kind, "drop");
	const two = [node("o1", 2, "exit"), node("o2", 3, "exit")];
	assert.match(
		messages(planned(tenant("t"), ...base, ...two)),
		/^error: tenant t: nodes o1, o2 all have an exit interface/,
	);
	const chosen = planned(tenant("t", { exit: "o2" }), ...base, ...two);
	assert.equal(messages(chosen), "");
	assert.equal(chosen.paths[0]?.egress, "o2");
	assert.match(
		messages(planned(tenant("t", { exit: "in" }), ...base, ...two)),
		/^warning: tenant t: node in has no exit interface/,
	);
});

test("an instance down gets no new paths; with none up all keep theirs", () => {
	const intent = intentOf(
		tenant("t"),
		node("n", 1, "access:t", "exit"),
		fn("fw", ["a@n", "b@n"]),
		policy("p", "match(*) >> fw"),
	);
	const one = plan(intent, NO_MEMORY, { excluded: new Set(["fw/a"]) }).plan;
	assert.deepEqual(
		one.paths.map((path) => path.stops[0]?.instance),
		["b", "b"],
	);
	/* It stays, with its port: the agent mends and probes it. */
	assert.deepEqual(
		stateOf(one, "n").instances.map(({ ports }) => ports.length),
		[1, 1],
	);
	/* Their node does what `onFailure` says, and goes on when one is back. */
	const none = plan(intent, NO_MEMORY, {
		excluded: new Set(["fw/a", "fw/b"]),
	}).plan;
	assert.deepEqual(instancesOf(none), ["a", "b"]);
	assert.match(
		messages(none),
		/^warning: policy p: no instance of function fw is up, its packets drop/,
	);
});

/** Instances that new flows of the first function may take. */
const instancesOf = (made: Plan) =>
	[...new Set(made.paths.map((path) => path.stops[0]?.instance))].sort();

test("a standby serves only where no other instance is up", () => {
	const { spec, ...fw } = fn("fw", ["a@n", "b@n", "c@n"]);
	const instances = spec.instances.map((one) =>
		one.name === "c" ? { ...one, standby: true } : one,
	);
	const intent = intentOf(
		tenant("t"),
		node("n", 1, "access:t", "exit"),
		{ ...fw, spec: { ...spec, instances } },
		policy("p", "match(*) >> fw"),
	);
	const without = (...down: string[]) =>
		instancesOf(plan(intent, NO_MEMORY, { excluded: new Set(down) }).plan);
	assert.deepEqual(without(), ["a", "b"]);
	assert.deepEqual(without("fw/a"), ["b"]);
	assert.deepEqual(without("fw/a", "fw/b"), ["c"]);
	assert.deepEqual(without("fw/c"), ["a", "b"]);
});

test("an instance to be left gets no new flows, and running ones stay", () => {
	const intent = intentOf(
		tenant("t"),
		node("n", 1, "access:t", "exit"),
		fn("fw", ["a@n", "b@n"]),
		fn("ids", ["x@n"]),
		policy("p", "match(proto=tcp) >> fw"),
		policy("q", "match(proto=udp) >> ids"),
	);
	const left = (...excluded: string[]) =>
		plan(intent, NO_MEMORY, {
			leaving: new Set(["fw/a"]),
			excluded: new Set(excluded),
		}).plan;
	const made = left();
	assert.deepEqual(
		made.paths
			.filter(({ policy: name }) => name === "p")
			.map(({ stops }) => stops[0]?.instance),
		["b", "b"],
	);
	assert.deepEqual(
		stateOf(made, "n").ruleSets[0]?.rules.map(({ policy: name, keep }) => [
			name,
			keep,
		]),
		[
			["p", true],
			["q", false],
		],
	);
	/* Better one that is to go than one that is down. */
	assert.deepEqual(instancesOf(left("fw/b")), ["a", "x"]);
});

test("a function that rewrites has a port of its own for each path", () => {
	const made = planned(
		tenant("t"),
		node("n", 1, "access:t", "exit"),
		fn("nat", ["a@n"], { rewrites: true }),
		policy("p", "match(proto=tcp) >> nat"),
		policy("q", "match(proto=udp) >> nat"),
	);
	const ports = stateOf(made, "n").instances[0]?.ports ?? [];
	assert.deepEqual(
		ports.flatMap(({ boundSpi }) => boundSpi ?? []).sort(),
		made.paths.map(({ spi }) => spi).sort(),
	);
});

test("overlapping tenants may not share an instance, nor an exit without rewriting", () => {
	const base = [
		tenant("a"),
		tenant("b"),
		node("n", 1, "access:a", "access:b", "exit"),
	];
	const shared = planned(
		...base,
		fn("fw", ["x@n"], { rewrites: true }),
		policy("p", "match(*) >> fw"),
	);
	assert.match(
		messages(shared),
		/^error: function fw: tenants a and b have overlapping subnets and cannot share it/,
	);
	assert.equal(shared.paths.length, 0);
	const apart = (rewrites: boolean) =>
		planned(
			...base,
			fn("fa", ["x@n"]),
			fn("fb", ["y@n"], { rewrites }),
			policy("pa", "match(*) >> fa", { tenant: "a" }),
			policy("pb", "match(*) >> fb", { tenant: "b" }),
		);
	assert.match(
		messages(apart(false)),
		/^error: tenants a and b: their subnets overlap and both leave by the shared exit of node n/,
	);
	assert.equal(messages(apart(true)), "");
	assert.deepEqual(checkInvariants(apart(true).states), []);
});

test("what cannot be laid is refused with the reason", () => {
	const bare = node("out", 2, "exit");
	const { underlay: _, ...spec } = bare.spec;
	const base = [tenant("t"), node("in", 1, "access:t")];
	const cases: [IntentDocument[], RegExp][] = [
		[
			[{ ...bare, spec }, fn("fw", ["a@in"]), policy("p", "match(*) >> fw")],
			/error: policy p: node out has no underlay address/,
		],
		[
			[bare, fn("fw", ["a@in"]), policy("p", "match(*) >> fw -> fw")],
			/error: policy p: function fw appears twice/,
		],
		[
			[bare, policy("p", "match(*) >> fw")],
			/error: policy p: function fw is not declared/,
		],
		[
			[
				bare,
				fn("fw", ["a@in"], { tenants: ["other"] }),
				policy("p", "match(*) >> fw"),
			],
			/error: function fw: tenant t may not use it/,
		],
		[
			[
				bare,
				...Array.from({ length: 31 }, (_, i) =>
					fn(`f${i}`, [`a@${i % 2 ? "in" : "out"}`]),
				),
				policy(
					"p",
					`match(*) >> ${Array.from({ length: 31 }, (_, i) => `f${i}`).join(" -> ")}`,
				),
			],
			/error: policy p: 31 functions and 31 changes of node are more than/,
		],
	];
	for (const [documents, expected] of cases) {
		const made = planned(...base, ...documents);
		assert.match(messages(made), expected);
		assert.equal(actionOf(made, "in", "access")?.kind, "drop");
	}
});
