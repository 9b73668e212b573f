import assert from "node:assert/strict";
import { test } from "node:test";
import { mobileEdge } from "./topologies/mobile-edge.js";
import { planTopology } from "./topology.js";

test("topology: an interface named like a keyword of ip still gets its link", () => {
	const plan = planTopology(
		{
			hosts: ["a", "b"],
			links: [{ a: "a:up", b: "b:dev", addresses: { a: ["2001:db8::1/64"] } }],
		},
		(host) => `n-${host}`,
	);
	assert.deepEqual(plan.links, [
		"link add name up mtu 1500 netns n-a type veth peer name dev mtu 1500 netns n-b",
	]);
	assert.deepEqual(plan.hosts.get("a")?.lines, [
		"link set lo up",
		"addr add 2001:db8::1/64 dev up nodad",
		"link set dev up up",
	]);
});

test("topology: an unknown host is refused before anything is built", () => {
	assert.throws(
		() =>
			planTopology({ hosts: ["a"], links: [{ a: "a:x", b: "c:x" }] }, (h) => h),
		/c is not among its hosts/,
	);
});

test("topology: the mobile edge is consistent", () => {
	const plan = planTopology(mobileEdge({ underlayMtu: 1600 }), (h) => h);
	assert.equal(plan.namespaces.length, 7);
	assert.equal(plan.links.filter((line) => line.includes("1600")).length, 2);
});
