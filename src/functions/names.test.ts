import assert from "node:assert/strict";
import { test } from "node:test";
import {
	freeInterfaceName,
	hostEnd,
	linkAddresses,
	macOf,
	namespaceName,
	namespacePrefix,
	PORT_ID_MAX,
	portOfHostEnd,
	probeAddresses,
} from "./names.js";

test("names stay within the kernel's limits and tell nodes apart", () => {
	const long = { function: "f".repeat(40), instance: "i".repeat(40) };
	const other = { function: "f".repeat(40), instance: `${"i".repeat(39)}j` };
	const name = namespaceName("cm", "n".repeat(40), long);
	assert.ok(name.length <= 64);
	assert.notEqual(name, namespaceName("cm", "n".repeat(40), other));
	assert.equal(
		namespaceName("cm", "edge", { function: "fw", instance: "a" }),
		"cm-edge.fw.a",
	);
	assert.ok(
		!namespaceName("cm", "edge-1", {
			function: "fw",
			instance: "a",
		}).startsWith(namespacePrefix("cm", "edge")),
	);
	assert.ok(hostEnd(PORT_ID_MAX, "inside").length <= 15);
});

test("a host end tells its port, other interfaces are not ours", () => {
	for (const side of ["inside", "outside", "tap"] as const)
		assert.equal(portOfHostEnd(hostEnd(42, side)), 42);
	for (const name of ["cmP0i", "cmPi", "cmP1x", "eth0", "xcmP1i", "cmP1i0"])
		assert.equal(portOfHostEnd(name), undefined);
});

test("every port has MACs, addresses and probes of its own", () => {
	const seen = new Set<string>();
	const add = (text: string) => {
		assert.ok(!seen.has(text), text);
		seen.add(text);
	};
	for (const port of [1, 2, 255, 256, PORT_ID_MAX]) {
		for (const side of ["inside", "outside", "tap"] as const)
			for (const end of ["host", "function"] as const)
				add(macOf(port, side, end));
		for (const side of ["inside", "outside"] as const)
			for (const family of [4, 6] as const) {
				const { own, gateway } = linkAddresses(port, side, family);
				add(own);
				add(gateway);
			}
		add(probeAddresses(port).dst);
	}
	assert.equal(linkAddresses(PORT_ID_MAX, "outside", 4).own, "169.254.64.255");
	assert.throws(
		() => macOf(PORT_ID_MAX + 1, "inside", "host"),
		/port 4096: not within/,
	);
});

test("further ports of a function are numbered from 2", () => {
	assert.equal(freeInterfaceName("inside", new Set()), "inside");
	assert.equal(
		freeInterfaceName("inside", new Set(["inside", "inside3"])),
		"inside2",
	);
});
