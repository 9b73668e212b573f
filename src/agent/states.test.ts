/** What is told of the service state list, out of maps in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type FlowKey,
	type Rewrite,
	type Service,
	type State,
	Verdict,
} from "../kernel/layout.gen.js";
import type { StateFilter } from "../plan/protocol.js";
import type { InstanceState, NodeState } from "../plan/state.js";
import { empty } from "../plan/steps.js";
import { stateRecords } from "./states.js";
import { addrOf } from "./tables/encode.js";
import { MemoryTable } from "./tables/memory.fixture.js";

const NOW_NS = 1e12;
const GENERATION = 7;

const instance = (name: string, port: number): InstanceState => ({
	function: "fw",
	instance: name,
	attach: "routed",
	runtime: "process",
	spec: { attach: "routed", runtime: "process", instances: [] },
	ports: [{ id: port }],
});

const node: NodeState = {
	...empty({ node: "n", nodeId: 1, mtu: 1500 }),
	tenants: [
		{ id: 1, name: "blue", default: "drop", subnets: [] },
		{ id: 2, name: "red", default: "drop", subnets: [] },
	],
	instances: [instance("a", 1), instance("b", 2)],
};

const service: Service = {
	generation: GENERATION,
	offload: 1,
	flags: 0,
	learnAfter: 0,
	deadlineMs: 200,
	denyMs: 1000,
	revalidateMs: 10_000,
	idleTcpMs: 60_000,
	idleUdpMs: 1000,
};

/** PORT_SCOPE of bpf/maps.h. */
const scopeOf = (port: number, side: number) => 0x8000_0000 + port * 2 + side;

function key(port: number, sport: number, dst = "203.0.113.1"): FlowKey {
	const t = { src: addrOf("10.0.1.5"), dst: addrOf(dst), sport, dport: 80 };
	return { scope: scopeOf(port, 1), t: { ...t, proto: 6, dscp: 0 } };
}

const state: State = {
	spi: 5,
	born: 1,
	si: 254,
	ttl: 60,
	tenant: 1,
	firstSeenNs: NOW_NS - 3e9,
	lastSeenNs: NOW_NS - 1e9,
	delivered: 3,
	returned: 2,
	givenNs: 0,
	vouchedNs: NOW_NS - 2e9,
	sampledNs: 0,
	untilNs: 0,
	skipped: 40,
	skippedBytes: 4000,
	generation: GENERATION,
	tag: 1,
	verdict: Verdict.ALLOW,
	hopLimit: 64,
	hopLimitTaken: 1,
	dscp: 0,
	length: 60,
	nextSequence: 0,
	metadata: { context: [0, 0, 0, 0], unassigned: 0, present: 0 },
};

function open(entries: readonly [FlowKey, Partial<State>][]) {
	const services = new MemoryTable<number, Service>("services");
	services.set(1, service);
	services.set(2, service);
	const states = new MemoryTable<FlowKey, State>("states");
	for (const [at, one] of entries) states.set(at, { ...state, ...one });
	const rewrites = new MemoryTable<FlowKey, Rewrite>("rewrites");
	const ask = (filter: Partial<StateFilter> = {}) =>
		stateRecords(
			{ states, services, rewrites },
			node,
			{ limit: 100, ...filter },
			NOW_NS,
		);
	return { rewrites, ask };
}

test("a learned flow is told with who vouched for it, since when, and what skipped it", async () => {
	const { ask } = open([[key(1, 4000), {}]]);
	assert.deepEqual(await ask(), [
		{
			function: "fw",
			instance: "a",
			port: 1,
			side: "outside",
			tenant: "blue",
			policy: "",
			spi: 5,
			src: "10.0.1.5",
			dst: "203.0.113.1",
			sport: 4000,
			dport: 80,
			proto: 6,
			verdict: "allow",
			ageMs: 3000,
			idleMs: 1000,
			vouchedMs: 2000,
			delivered: 3,
			returned: 2,
			skipped: 40,
			skippedBytes: 4000,
		},
	]);
});

test("what no longer holds is pending, whatever the kernel has of it yet", async () => {
	const { DENY, PENDING, CLOSING } = Verdict;
	const { ask } = open([
		[key(1, 1), { generation: GENERATION - 1 }],
		[key(1, 2), { verdict: DENY, untilNs: NOW_NS - 1 }],
		[key(1, 3), { verdict: DENY, untilNs: NOW_NS + 1 }],
		[key(1, 4), { vouchedNs: NOW_NS - 61e9 }],
		[key(1, 5), { verdict: PENDING, vouchedNs: 0 }],
		[key(1, 6), { verdict: CLOSING }],
	]);
	const told = await ask();
	assert.deepEqual(
		told.map((one) => one.verdict),
		["pending", "pending", "deny", "pending", "pending", "closing"],
	);
	assert.ok(
		told.every((one) => one.verdict !== "pending" || !("vouchedMs" in one)),
	);
});

test("a rewritten flow is told with the header it gets", async () => {
	const { ask, rewrites } = open([
		[key(1, 1), { verdict: Verdict.REWRITE }],
		[key(1, 2), { verdict: Verdict.REWRITE }],
	]);
	const t = { ...key(1, 1).t, src: addrOf("192.0.2.1"), sport: 61_000 };
	rewrites.set(key(1, 1), { t, setDscp: 0, hopLimit: 0 });
	const [first, lost] = await ask();
	assert.deepEqual(first?.rewritten, {
		src: "192.0.2.1",
		dst: "203.0.113.1",
		sport: 61_000,
		dport: 80,
	});
	assert.deepEqual([lost?.verdict, lost?.rewritten], ["rewrite", undefined]);
});

test("each field of a filter picks, and the limit stops", async () => {
	const { ask } = open([
		[key(1, 1), {}],
		[key(1, 2), { tenant: 2 }],
		[key(2, 3), {}],
		[key(2, 4, "2001:db8::1"), { verdict: Verdict.CLOSING }],
		[key(3, 5), {}],
		[{ ...key(1, 6), scope: 1 }, {}],
	]);
	const picked = async (filter: Partial<StateFilter>) =>
		(await ask(filter)).map((one) => one.sport);
	assert.deepEqual(await picked({}), [1, 2, 3, 4], "of known ports alone");
	const rows: [Partial<StateFilter>, number[]][] = [
		[{ tenant: "red" }, [2]],
		[{ tenant: "none" }, []],
		[{ function: "fw", instance: "b" }, [3, 4]],
		[{ function: "ids" }, []],
		[{ verdict: "closing" }, [4]],
		[{ dst: "2001:db8::/32" }, [4]],
		[{ dst: "203.0.113.1", instance: "a" }, [1, 2]],
		[{ src: "10.0.0.0/8", dport: 80, proto: 6 }, [1, 2, 3, 4]],
		[{ src: "10.0.2.0/24" }, []],
		[{ sport: 3 }, [3]],
		[{ proto: 17 }, []],
		[{ limit: 2 }, [1, 2]],
	];
	for (const [filter, wanted] of rows)
		assert.deepEqual(await picked(filter), wanted, JSON.stringify(filter));
});

test("a large list is read up to the limit alone, and lets other work through", async () => {
	let read = 0;
	function* entries(): Generator<[FlowKey, State]> {
		for (;;) {
			read++;
			yield [key(1, read % 65_536), state];
		}
	}
	let others = 0;
	const timer = setInterval(() => {
		others++;
	}, 1);
	const maps = {
		states: { entries },
		services: new MemoryTable<number, Service>("services"),
		rewrites: new MemoryTable<FlowKey, Rewrite>("rewrites"),
	};
	/* The last of its port number, however many come before. */
	const filter = { sport: 65_535, limit: 3 };
	const found = await stateRecords(maps, node, filter, NOW_NS);
	clearInterval(timer);
	assert.deepEqual([found.length, read], [3, 2 * 65_536 + 65_535]);
	assert.ok(others > 0, "a timer had its turn");
});
