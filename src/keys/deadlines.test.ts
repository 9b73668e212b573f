import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Deadlines } from "./deadlines.js";

test("the same as a list that is searched", () => {
	const step = fc.oneof(
		fc.record({
			key: fc.nat(6),
			atMs: fc.oneof(fc.nat(30), fc.constant(Number.POSITIVE_INFINITY)),
		}),
		fc.record({ nowMs: fc.nat(30) }),
	);
	fc.assert(
		fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
			const deadlines = new Deadlines<number>();
			const naive = new Map<number, number>();
			for (const one of steps) {
				if ("key" in one) {
					deadlines.set(one.key, one.atMs);
					naive.set(one.key, one.atMs);
				} else {
					const due = [...naive].filter(([, atMs]) => atMs <= one.nowMs);
					const taken = deadlines.takeDue(one.nowMs);
					assert.deepEqual(taken.sort(), due.map(([key]) => key).sort());
					for (const key of taken) naive.delete(key);
				}
				const next = Math.min(...naive.values());
				assert.equal(deadlines.nextMs, next);
			}
		}),
		{ numRuns: 500 },
	);
});
