/** What a plan that follows another keeps, and what it makes new. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Memory, NO_MEMORY, QUARANTINE } from "./allocate.js";
import { declaredBy } from "./declared.js";
import { fn, intentOf, mobileEdge, node, policy, tenant } from "./fixtures.js";
import { checkInvariants } from "./invariants.js";
import {
	createPlanner,
	type Plan,
	type Planned,
	plan,
	REVISIONS_PER_PLAN,
} from "./plan.js";
import type { NodeState, PathState } from "./state.js";

function stateOf(of: Plan, name: string): NodeState {
	const state = of.states.get(name);
	assert.ok(state, `no state of ${name}`);
	return state;
}

const messages = (of: Plan) =>
	of.problems.map((one) => `${one.severity}: ${one.message}`).join("\n");

test("what stays keeps its numbers and generation; what changes gets new ones", () => {
	const planner = createPlanner();
	const first = planner(mobileEdge(), NO_MEMORY);
	const json: Memory = JSON.parse(JSON.stringify(first.memory));
	const again = planner(mobileEdge(), json);
	const without = (state: NodeState) => ({ ...state, revision: 0 });
	assert.deepEqual(
		[...again.plan.states.values()].map(without),
		[...first.plan.states.values()].map(without),
	);
	const more = planner(
		mobileEdge(policy("dns", "match(proto=udp) >> firewall")),
		again.memory,
	);
	const spis = (of: Plan, name: string) =>
		of.paths.filter((one) => one.policy === name).map((one) => one.spi);
	assert.deepEqual(spis(more.plan, "web"), spis(first.plan, "web"));
	assert.equal(
		stateOf(more.plan, "edge1").ruleSets[0]?.generation,
		more.plan.revision,
	);
	const other = planner(
		mobileEdge(policy("web", "match(proto=tcp) >> firewall")),
		more.memory,
	);
	const old = new Set(spis(more.plan, "web"));
	assert.ok(spis(other.plan, "web").every((spi) => !old.has(spi)));
});

test("a weight or a new instance elsewhere does not touch what runs", () => {
	const specOf = (of: Plan) => stateOf(of, "edge1").instances[0]?.spec;
	const before = plan(mobileEdge(), NO_MEMORY).plan;
	const after = plan(
		mobileEdge(fn("firewall", ["fw-1@edge1*7", "fw-2@edge2"])),
		NO_MEMORY,
	).plan;
	assert.deepEqual(specOf(after), specOf(before));
});

test("attachment cannot change under running paths", () => {
	const first = plan(mobileEdge(), NO_MEMORY);
	const bridged = mobileEdge(
		fn("firewall", ["fw-1@edge1"], { attach: "bridged" }),
	);
	assert.match(
		messages(plan(bridged, first.memory).plan),
		/error: function firewall: attach cannot change from routed to bridged/,
	);
});

test("10,000 policies on two nodes: a change of one lays its paths alone anew", (t) => {
	const list = Array.from({ length: 10_000 }, (_, i) =>
		policy(
			`p${i}`,
			`match(src=10.${i >> 8}.${i & 255}.0/24 & proto=tcp) >> fw`,
		),
	);
	const base = [
		tenant("t", { subnets: ["10.0.0.0/8"] }),
		node("in", 1, "access:t"),
		node("out", 2, "exit"),
		fn("fw", ["a@out"]),
	];
	const planner = createPlanner();
	const timed = (memory: Memory) => {
		const intent = intentOf(...base, ...list);
		const begun = process.cpuUsage();
		const made = planner(intent, memory);
		const { user, system } = process.cpuUsage(begun);
		return { ...made, ms: (user + system) / 1000 };
	};
	let last = timed(NO_MEMORY);
	assert.equal(last.plan.paths.length, 20_000);
	const times = [last.ms];
	for (let i = 0; i < 5; i++) {
		const before = new Set(pathsOf(last));
		list[77] = policy("p77", `match(src=10.0.77.0/24 & dport=${80 + i}) >> fw`);
		last = timed(last.memory);
		times.push(last.ms);
		const fresh = pathsOf(last).filter((path) => !before.has(path));
		assert.deepEqual(fresh, []);
	}
	const moved = new Set(pathsOf(last));
	list[77] = policy("p77", "match(src=10.0.77.0/24) >> fw");
	list.push(policy("another", "match(src=10.99.0.0/16) >> fw"));
	last = timed(last.memory);
	const fresh = pathsOf(last).filter((path) => !moved.has(path));
	assert.deepEqual([...new Set(fresh.map((path) => path.policy))], ["another"]);
	assert.deepEqual(checkInvariants(last.plan.states, declaredBy()), []);
	t.diagnostic(
		`CPU time of the plans, ms: ${times.map(Math.round).join(", ")}`,
	);
});

function pathsOf({ plan }: Pick<Planned, "plan">): PathState[] {
	return [...plan.states.values()].flatMap(({ paths }) => paths);
}

test("a port that a node still has goes to no other instance, however old", () => {
	const on = (...functions: readonly string[]) =>
		intentOf(
			tenant("red"),
			node("n1", 1, "access:red", "exit"),
			...functions.map((name) => fn(name, ["a@n1"])),
			...functions.map((name) => policy(name, `match(*) >> ${name}`)),
		);
	const portOf = (made: Planned, name: string) =>
		made.plan.states.get("n1")?.instances.find((one) => one.function === name)
			?.ports[0]?.id;
	const first = plan(on("fw", "nat"), NO_MEMORY);
	const [id, other] = [portOf(first, "fw"), portOf(first, "nat")];
	assert.ok(id !== undefined && other !== undefined);
	let { memory } = first;
	for (let rests = 0; rests <= QUARANTINE; rests += REVISIONS_PER_PLAN) {
		({ memory } = plan(on(), memory));
	}
	const fresh = portOf(plan(on("ids"), memory), "ids");
	assert.ok(fresh !== id && fresh !== other, "others were never given");
	// As after 4095 ports: only those two are left.
	const { n1: pool = assert.fail() } = memory.ports;
	memory = { ...memory, ports: { n1: { ...pool, next: 4096 } } };
	assert.equal(portOf(plan(on("ids"), memory), "ids"), id, "it has rested");
	const ports = new Map([["n1", new Set([id])]]);
	assert.equal(portOf(plan(on("ids"), memory, { ports }), "ids"), other);
});

test("a pair of service paths goes to another tenant only after all others", () => {
	const of = (name: string) =>
		intentOf(
			tenant(name),
			node("n1", 1, `access:${name}`, "exit"),
			fn("fw", ["a@n1"]),
			policy("all", "match(*) >> fw"),
		);
	const seen = new Map<number, string>();
	let memory = NO_MEMORY;
	for (let index = 0; index < 40; index++) {
		const name = `t${index}`;
		const made = plan(of(name), memory);
		({ memory } = made);
		for (const { spi } of made.plan.paths) {
			assert.equal(seen.get(spi) ?? name, name, `SPI ${spi}`);
			seen.set(spi, name);
		}
	}
	assert.ok(seen.size >= 40);
});
