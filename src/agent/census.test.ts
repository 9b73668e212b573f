import assert from "node:assert/strict";
import { test } from "node:test";
import { Census } from "./census.js";
import { Reads } from "./reads.js";

test("census: counts at once, then only every half a minute", async () => {
	let counted = 0;
	const map = {
		capacity: 100,
		*counts() {
			counted++;
			yield* [20, 30];
		},
	};
	const reads = new Reads();
	const census = new Census(map, reads);
	assert.deepEqual(census.newest, { entries: 0, capacity: 100 });
	for (const nowMs of [1000, 2000, 30_999, 31_000]) census.look(nowMs);
	await reads.end();
	assert.deepEqual(census.newest, { entries: 50, capacity: 100 });
	assert.equal(counted, 2);
});
