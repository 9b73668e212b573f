/** What stock Debian kernels have and machines that build often lack. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseEngine } from "../../../src/functions/ef/choose.js";
import { probe } from "../../../src/kernel/probe.js";

test("doctor: ESP, GRE and WireGuard are there", () => {
	const checks = new Map(probe().map((check) => [check.name, check]));
	for (const name of ["esp", "gre", "wireguard"])
		assert.deepEqual(checks.get(name)?.ok, true, checks.get(name)?.detail);
	for (const { name, ok, required, detail } of checks.values())
		assert.ok(ok || !required, `${name}: ${detail}`);
});

test("the kernel's ESP is chosen, but not for MACs", () => {
	assert.equal(chooseEngine(false).kind, "xfrm", chooseEngine(false).why);
	assert.equal(chooseEngine(true).kind, "userspace");
});
