import assert from "node:assert/strict";
import { test } from "node:test";
import { DropReason, type Event, EventKind } from "../kernel/layout.gen.js";
import type { NodeState } from "../plan/state.js";
import { empty } from "../plan/steps.js";
import { happeningOf } from "./happenings.js";
import { addrOf } from "./tables/encode.js";

const state: NodeState = {
	...empty({ node: "n", nodeId: 1, mtu: 1500 }),
	tenants: [{ id: 1, name: "blue", default: "drop", subnets: [] }],
	instances: [
		{
			function: "firewall",
			instance: "a",
			attach: "routed",
			runtime: "process",
			spec: { attach: "routed", runtime: "process", instances: [] },
			ports: [{ id: 7 }],
		},
	],
};

const event: Event = {
	timeNs: 0,
	kind: EventKind.LEARNED,
	reason: 0,
	spi: 5,
	ifindex: 3,
	tenant: 1,
	port: 7,
	t: {
		src: addrOf("10.0.1.2"),
		dst: addrOf("203.0.113.10"),
		sport: 40_000,
		dport: 80,
		proto: 6,
		dscp: 0,
	},
};

test("a verdict is told with the flow and whose it is", () => {
	assert.deepEqual(happeningOf(event, state), {
		kind: "learned",
		message: "10.0.1.2:40000 > 203.0.113.10:80 proto 6, by firewall/a, path 5",
		tenant: "blue",
	});
	const unknown = { ...event, kind: EventKind.REVOKED, port: 9, tenant: 3 };
	assert.deepEqual(happeningOf(unknown, state), {
		kind: "revoked",
		message: "10.0.1.2:40000 > 203.0.113.10:80 proto 6, by port 9, path 5",
	});
});

test("a drop is told with its reason, IPv6 in brackets, and housekeeping not at all", () => {
	const t = { ...event.t, src: addrOf("2001:db8::1"), dst: addrOf("::2") };
	const drop = { ...event, kind: EventKind.DROP, port: 0, spi: 0, t };
	assert.equal(
		happeningOf({ ...drop, reason: DropReason.SPOOFED }, state)?.message,
		"spoofed: [2001:db8::1]:40000 > [::2]:80 proto 6",
	);
	const housekeeping = { ...drop, reason: DropReason.PORT_LINK_LOCAL };
	assert.equal(happeningOf(housekeeping, state), undefined);
});
