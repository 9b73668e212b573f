import assert from "node:assert/strict";
import { test } from "node:test";
import { Reads } from "./reads.js";

test("reads: one after the other, also after one that fails", async () => {
	const reads = new Reads();
	const log: string[] = [];
	const read = (name: string) => async () => {
		log.push(`${name} begins`);
		await Promise.resolve();
		log.push(`${name} ends`);
		if (name === "a") throw new Error("a failed");
		return name;
	};
	const a = reads.next(read("a"));
	const b = reads.next(read("b"));
	await assert.rejects(a, /a failed/);
	assert.equal(await b, "b");
	assert.deepEqual(log, ["a begins", "a ends", "b begins", "b ends"]);
});

test("reads: too many that wait are refused, and all after the end", async () => {
	const reads = new Reads();
	const all = Array.from({ length: 17 }, () => reads.next(async () => "done"));
	const told = await Promise.allSettled(all);
	assert.deepEqual(
		told.filter(({ status }) => status === "rejected").length,
		1,
	);
	await reads.end();
	await assert.rejects(
		reads.next(async () => "late"),
		/ask again/,
	);
});
