import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type Beat,
	type Epoch,
	Limits,
	Offload,
	type Service,
} from "../kernel/layout.gen.js";
import type { FunctionDocument } from "../model/intent.js";
import { serviceOf } from "../plan/service.js";
import { Services } from "./services.js";
import { MemoryTable } from "./tables/memory.fixture.js";

const NAME = { function: "fw", instance: "a" };
const declared = serviceOf({
	attach: "routed",
	runtime: "process",
	ruleset: { text: "" },
	instances: [{ name: "a", node: "n" }],
});

function open() {
	const log: string[] = [];
	const map = new MemoryTable<number, Service>("services", log);
	const epochs = new MemoryTable<number, Epoch>("epochs", log);
	const granted = new MemoryTable<number, Beat>("granted");
	const services = new Services({ services: map, epochs, granted }, () =>
		log.push("quiesce"),
	);
	return { log, map, epochs, granted, services };
}

test("the same again leaves verdicts in force, another service forgets them", () => {
	const { map, services } = open();
	services.ensure(NAME, [1, 2], declared, "verdict");
	const first = map.get(1);
	assert.deepEqual([first?.generation, first?.offload], [1, Offload.VERDICT]);
	services.ensure(NAME, [1, 2], declared, "verdict");
	assert.equal(map.get(1)?.generation, 1);
	services.ensure(NAME, [1, 2], { ...declared, deadlineMs: 50 }, "verdict");
	assert.deepEqual([map.get(1)?.generation, map.get(2)?.generation], [2, 2]);
});

test("forgetting is one write a port, and over when no program acts on the old", async () => {
	const { log, map, services } = open();
	services.ensure(NAME, [1], declared, "verdict");
	log.length = 0;
	services.forget(NAME);
	await services.settled();
	assert.deepEqual(log, ["set services", "set epochs", "quiesce"]);
	assert.equal(map.get(1)?.generation, 2);
});

test("a port given up lets nothing be learned, and no old verdict stand", () => {
	const { map, services } = open();
	services.ensure(NAME, [1], declared, "verdict");
	services.remove(NAME);
	assert.deepEqual(
		[map.get(1)?.offload, map.get(1)?.generation],
		[Offload.NONE, 2],
	);
});

test("nothing is settled while another node may pass functions of this one by", async () => {
	const { granted, services } = open();
	const sinceMs = performance.now();
	granted.set(0, { lastNs: Number(process.hrtime.bigint()) });
	services.ensure(NAME, [1], declared, "verdict");
	await services.settled();
	assert.ok(performance.now() - sinceMs >= Limits.LEASE_MS);
});

test("shortcuts are made only where something may be learned", () => {
	const { epochs, services } = open();
	services.ensure(NAME, [1], declared, "verdict");
	services.ensure({ ...NAME, instance: "b" }, [2], declared, "none");
	const before = epochs.get(0);
	assert.equal(before?.learning, 1);
	services.remove(NAME);
	assert.equal(epochs.get(0)?.learning, 0);
	assert.notEqual(epochs.get(0)?.now, before?.now);
});

test("a ruleset alone may be learned from, a program must be declared to be", () => {
	const base: FunctionDocument["spec"] = {
		attach: "routed",
		runtime: "process",
		instances: [{ name: "a", node: "n" }],
	};
	assert.equal(declared.offload, "auto");
	assert.equal(serviceOf(base).offload, "none");
	const program: FunctionDocument["spec"] = {
		...base,
		command: ["snort"],
		ruleset: { text: "" },
	};
	assert.equal(serviceOf(program).offload, "none");
	assert.equal(
		serviceOf({ ...program, offload: "verdict" }).offload,
		"verdict",
	);
});
