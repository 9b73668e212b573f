import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "../../model/packet.js";
import { NO_MEMORY } from "../allocate.js";
import { fn, intentOf, mobileEdge, node, policy, tenant } from "../fixtures.js";
import { plan } from "../plan.js";
import { transition } from "../transition.js";
import { replyTo } from "./flows.js";
import { type TraceStep, Twin, trace } from "./trace.js";

const packet: Packet = {
	tenant: "mobile",
	family: 4,
	src: "10.0.1.5",
	dst: "198.51.100.7",
	proto: 6,
	sport: 40_000,
	dport: 443,
	dscp: 0,
	icmpType: 0,
};
const start = { node: "edge1", interface: "eth0", packet };
const { states } = plan(mobileEdge(), NO_MEMORY).plan;

/** The gist of each step. */
function lines(steps: readonly TraceStep[]): string[] {
	return steps.map((step) => {
		const on = "si" in step ? ` ${step.spi}/${step.si} ttl ${step.ttl}` : "";
		const more =
			step.kind === "port" || step.kind === "tap"
				? ` ${step.function}/${step.instance}`
				: step.kind === "drop"
					? ` ${step.reason}`
					: step.kind === "encapsulate"
						? ` to ${step.to}`
						: step.kind === "pass"
							? ` by ${step.interface}`
							: "";
		return `${step.node} ${step.kind}${on}${more}`;
	});
}

test("there by the chain, and back the same way in reverse", () => {
	const twin = new Twin(states);
	const there = twin.send(start);
	assert.deepEqual(lines(there), [
		"edge1 arrive",
		"edge1 rule",
		"edge1 path",
		"edge1 port 1/255 ttl 62 firewall/fw-1",
		"edge1 encapsulate 1/254 ttl 61 to edge2",
		"edge2 tap 1/254 ttl 60 ids/ids-1",
		"edge2 exit 1/253 ttl 59",
		"edge2 learn",
	]);
	const reply = twin.reply(there, packet);
	assert.ok(reply);
	assert.deepEqual(lines(twin.send(reply)), [
		"edge2 arrive",
		"edge2 flow",
		"edge2 tap 2/255 ttl 62 ids/ids-1",
		"edge2 encapsulate 2/254 ttl 61 to edge1",
		"edge1 port 2/254 ttl 60 firewall/fw-1",
		"edge1 exit 2/253 ttl 59",
	]);
	assert.ok(twin.send(start).some((step) => step.kind === "flow"));
});

test("sealed hops say so, and a sealed place takes nothing in the clear", () => {
	const sealed = plan(
		mobileEdge(
			policy("web", "match(proto=tcp & dport=443) >> firewall -> ids", {
				encrypt: "between-nodes",
			}),
		),
		NO_MEMORY,
	).plan.states;
	const crossing = (of: typeof sealed) =>
		trace(of, start).find((step) => step.kind === "encapsulate");
	assert.match(crossing(sealed)?.why ?? "", /sealed \(esp\)/);
	/* As a neighbour of an older mind would send it. */
	const edge1 = states.get("edge1");
	assert.ok(edge1);
	const mixed = new Map(sealed).set("edge1", {
		...edge1,
		paths: edge1.paths.map((path) => ({ ...path, mtu: 1300 })),
	});
	assert.equal(crossing(mixed)?.kind, "encapsulate");
	assert.equal(lines(trace(mixed, start)).at(-1), "edge2 drop unsealed");
});

test("connections from outside are judged at the exit", () => {
	const inbound = {
		node: "edge2",
		interface: "eth0",
		packet: { ...replyTo(packet), sport: 50_000, dport: 443 },
	};
	assert.deepEqual(lines(trace(states, inbound)).slice(0, 4), [
		"edge2 arrive",
		"edge2 rule",
		"edge2 path",
		"edge2 encapsulate 3/255 ttl 62 to edge1",
	]);
	const elsewhere = { ...inbound.packet, dst: "192.168.0.1" };
	assert.deepEqual(lines(trace(states, { ...inbound, packet: elsewhere })), [
		"edge2 arrive",
		"edge2 drop unowned",
	]);
});

test("no rule, a stranger's source, a function that says no", () => {
	const other = { ...packet, dport: 80 };
	assert.deepEqual(lines(trace(states, { ...start, packet: other })), [
		"edge1 arrive",
		"edge1 default",
		"edge1 pass by eth1",
		"edge1 learn",
	]);
	const spoofed = { ...packet, src: "10.9.9.9" };
	assert.equal(
		lines(trace(states, { ...start, packet: spoofed })).at(-1),
		"edge1 drop spoofed",
	);
	assert.equal(
		lines(trace(states, start, () => null)).at(-1),
		"edge1 drop function",
	);
});

test("a NAT: the reply to its address finds the flow, and the user gets it", () => {
	const { states } = plan(
		intentOf(
			tenant("mobile"),
			node("n", 1, "access:mobile", "exit"),
			fn("nat", ["a@n"], { rewrites: true }),
			policy("p", "match(*) >> nat"),
		),
		NO_MEMORY,
	).plan;
	const twin = new Twin(states);
	const outside = { ...packet, src: "192.0.2.99", sport: 1024 };
	const there = twin.send({ ...start, node: "n" }, () => outside);
	const reply = twin.reply(there, outside);
	assert.ok(reply);
	const back = twin.send(reply, () => replyTo(packet));
	assert.equal(lines(back)[1], "n flow");
	assert.deepEqual(
		back.flatMap((step) => (step.kind === "exit" ? [step.interface] : [])),
		["eth0"],
	);
});

test("onChange keep: a running flow stays while its path drains, others move", () => {
	const intents = [["a@n"], ["b@n"]].map((instances) =>
		intentOf(
			tenant("mobile"),
			node("n", 1, "access:mobile", "exit"),
			fn("fw", instances),
			policy("keep", "match(proto=tcp) >> fw", { onChange: "keep" }),
			policy("move", "match(proto=udp) >> fw"),
		),
	);
	const [first, second] = intents;
	assert.ok(first && second);
	const before = plan(first, NO_MEMORY);
	const after = plan(second, before.memory);
	const met = (steps: readonly TraceStep[]) =>
		steps.flatMap((step) => (step.kind === "port" ? [step.instance] : []));
	const twin = new Twin(before.plan.states);
	const at = { ...start, node: "n" };
	const udp = { ...at, packet: { ...packet, proto: 17 } };
	assert.deepEqual(met(twin.send(at)), ["a"]);
	assert.deepEqual(met(twin.send(udp)), ["a"]);
	const stages = transition(before.plan.states, after.plan.states);
	twin.update(stages.switch);
	assert.deepEqual(met(twin.send(at)), ["a"]);
	assert.deepEqual(met(twin.send(udp)), ["b"]);
	twin.update(stages.break);
	assert.deepEqual(met(twin.send(at)), ["b"]);
});

const gate = (...rules: string[]) =>
	intentOf(
		tenant("mobile", { default: "drop" }),
		node("n", 1, "access:mobile", "exit"),
		fn("fw", ["a@n"]),
		...rules.map((rule, i) => policy(`p${i}`, rule)),
	);

test("unchained there, and back as long as rules let it pass", () => {
	const open = plan(gate("match(dport=443) >> pass"), NO_MEMORY);
	const other = gate("match(dport=443) >> pass", "match(dport=22) >> drop");
	const still = plan(other, open.memory);
	const shut = plan(gate("match(dport=443) >> fw"), still.memory);
	const twin = new Twin(open.plan.states);
	const at = { ...start, node: "n" };
	const there = twin.send(at);
	assert.deepEqual(lines(there).slice(-2), ["n pass by eth1", "n learn"]);
	const reply = twin.reply(there, packet);
	assert.ok(reply);
	const last = () => lines(twin.send(reply)).at(-1);
	assert.equal(last(), "n pass by eth0");
	twin.update(still.plan.states);
	assert.equal(last(), "n pass by eth0");
	twin.update(shut.plan.states);
	assert.equal(last(), "n drop default");
	const error = { ...reply, errorFrom: "203.0.113.1" };
	assert.equal(lines(twin.send(error)).at(-1), "n drop default");
	const own = { ...at, errorFrom: "203.0.113.1" };
	assert.equal(lines(twin.send(own)).at(-1), "n drop spoofed");
});

test("a path that was given an SPI anew is not that of older flows", () => {
	const { states } = plan(gate("match(dport=443) >> fw"), NO_MEMORY).plan;
	const twin = new Twin(states);
	const at = { ...start, node: "n" };
	const there = twin.send(at);
	const reply = twin.reply(there, packet);
	assert.ok(reply);
	assert.ok(twin.send(reply).some(({ kind }) => kind === "exit"));
	const without = [...states].map(
		([node, state]) => [node, { ...state, paths: [] }] as const,
	);
	twin.update(new Map(without));
	twin.update(states);
	assert.equal(lines(twin.send(reply)).at(-1), "n drop default");
});

test("from the underlay without a tunnel: only what answers what may pass", () => {
	const { states } = plan(gate("match(dport=443) >> pass"), NO_MEMORY).plan;
	const beside = new Map(
		[...states].map(([node, state]) => {
			const up = {
				name: "up",
				vlan: 0,
				role: "underlay",
				tenantId: 0,
			} as const;
			return [node, { ...state, interfaces: [...state.interfaces, up] }];
		}),
	);
	const sent = (packet: Packet) =>
		lines(trace(beside, { node: "n", interface: "up", packet })).at(-1);
	assert.equal(sent(replyTo(packet)), "n pass by eth0");
	assert.equal(sent({ ...replyTo(packet), sport: 22 }), "n drop unowned");
	assert.equal(sent(packet), "n pass by eth1");
});
