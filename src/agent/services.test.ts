import assert from "node:assert/strict";
import { test } from "node:test";
import { Offload, type Service } from "../kernel/layout.gen.js";
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
	return { log, map, services: new Services(map, () => log.push("quiesce")) };
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

test("forgetting is one write a port, and over when no program acts on the old", () => {
	const { log, map, services } = open();
	services.ensure(NAME, [1], declared, "verdict");
	log.length = 0;
	services.forget(NAME);
	assert.deepEqual(log, ["set services", "quiesce"]);
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
