import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ranges } from "./ranges.js";

test("ranges never overlap and stay within the capacity", () => {
	fc.assert(
		fc.property(
			fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9 })), {
				maxLength: 200,
			}),
			(operations) => {
				const ranges = new Ranges("slots", 64, 1);
				const live = new Map<number, number>();
				for (const [allocate, n] of operations) {
					if (!allocate) {
						const [start] = [...live.keys()].slice(n % Math.max(1, live.size));
						if (start === undefined) continue;
						ranges.free(start);
						live.delete(start);
						continue;
					}
					let start: number;
					try {
						start = ranges.allocate(n);
					} catch {
						continue;
					}
					assert.ok(start >= 1 && start + n <= 64);
					for (const [s, l] of live)
						assert.ok(start >= s + l || start + n <= s);
					live.set(start, n);
				}
			},
		),
	);
});

test("what was freed last is used again last", () => {
	const ranges = new Ranges("slots", 8);
	assert.equal(ranges.allocate(2), 0);
	ranges.free(0);
	assert.equal(ranges.allocate(2), 2);
	assert.equal(ranges.allocate(4), 4);
	assert.equal(ranges.allocate(2), 0);
	assert.throws(() => ranges.allocate(1), /no 1 in a row are free of 8/);
});

test("adopted ranges are kept, overlapping ones refused", () => {
	const ranges = new Ranges("slots", 8);
	ranges.take(0, 3);
	assert.equal(ranges.allocate(2), 3);
	assert.throws(() => ranges.take(2, 2), /overlaps/);
});
