import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Allocator, type Pool, QUARANTINE } from "./allocate.js";

function next(
	pool: Pool | undefined,
	revision: number,
	names: readonly string[],
	busy = new Set<number>(),
	last = 4095,
) {
	const allocator = new Allocator("things", last, pool, revision, busy);
	const ids = names.map((name) => allocator.take(name));
	return { ids, pool: allocator.finish() };
}

test("numbers are dense from 1 and stay with their names", () => {
	const first = next(undefined, 1, ["a", "b", "c"]);
	assert.deepEqual(first.ids, [1, 2, 3]);
	assert.deepEqual(next(first.pool, 2, ["d", "c", "a", "a"]).ids, [4, 3, 1, 1]);
});

test("the same name in two groups is two names", () => {
	const allocator = new Allocator("things", 9, undefined, 1);
	assert.deepEqual(
		[allocator.take("a", "x"), allocator.take("a", "y")],
		[1, 2],
	);
	const again = new Allocator("things", 9, allocator.finish(), 2);
	assert.deepEqual([again.take("a", "y"), again.take("a", "x")], [2, 1]);
});

test("a freed number is given again when no other is left, the oldest first", () => {
	let { pool } = next(undefined, 1, ["a", "b", "c"], new Set(), 5);
	pool = next(pool, 2, ["a", "c"], new Set(), 5).pool;
	pool = next(pool, 3, ["c"], new Set(), 5).pool;
	const late = 1000 * QUARANTINE;
	const names = ["c", "d", "e", "f", "g"];
	const { ids } = next(pool, late, names, new Set(), 5);
	assert.deepEqual(ids, [3, 4, 5, 2, 1]);
});

test("a freed number rests, even where no other is left", () => {
	let { pool } = next(undefined, 1, ["a", "b", "c"], new Set(), 3);
	pool = next(pool, 2, ["c"], new Set(), 3).pool;
	const early = () => next(pool, QUARANTINE + 1, ["c", "d"], new Set(), 3);
	assert.throws(early, /in use or resting/);
	const { ids } = next(pool, QUARANTINE + 2, ["c", "d"], new Set(), 3);
	assert.deepEqual(ids, [3, 1]);
});

test("numbers of names that come and go run through the whole space", () => {
	const last = 1000;
	let pool: Pool | undefined;
	const newest = new Map<number, number>();
	for (let plan = 1; plan <= 3 * last; plan++) {
		const made = next(pool, 3 * plan, [`n${plan}`], new Set(), last);
		const id = made.ids[0] ?? 0;
		const before = newest.get(id);
		if (before !== undefined) assert.ok(plan - before >= last - 10, `${id}`);
		newest.set(id, plan);
		pool = made.pool;
	}
	assert.equal(newest.size, last);
});

test("a freed number in flight is not given, however long ago it was freed", () => {
	let { pool } = next(undefined, 1, ["a", "b"]);
	pool = next(pool, 2, []).pool;
	assert.deepEqual(next(pool, 1000, ["d"], new Set([1]), 2).ids, [2]);
	assert.deepEqual(next(pool, 1000, ["d", "e"], new Set([1]), 3).ids, [3, 2]);
	assert.throws(() => next(pool, 1000, ["d", "e"], new Set([1]), 2));
});

test("a name that comes back has its number again while that rests", () => {
	const plan = (pool: Pool | undefined, revision: number, names: string[]) => {
		const allocator = new Allocator(
			"things",
			9,
			pool,
			revision,
			new Set(),
			true,
		);
		const ids = names.map((name) => allocator.takeBack(name));
		return { ids, pool: allocator.finish() };
	};
	const both = plan(undefined, 1, ["a", "b"]);
	const gone = plan(both.pool, 2, ["b"]);
	const back = plan(gone.pool, 3, ["c", "a", "b"]);
	assert.deepEqual(back.ids, [3, 1, 2]);
	assert.deepEqual(back.pool.freed, []);
	const late = plan(gone.pool, 2 + QUARANTINE, ["c", "a", "b"]);
	assert.deepEqual(late.ids, [3, 4, 2]);
});

test("running out says of what", () => {
	assert.throws(
		() => next(undefined, 1, ["a", "b", "c"], new Set(), 2),
		/things: all 2 are in use or resting \(/,
	);
});

test("nobody shares a number, whatever comes and goes; JSON carries all of it", () => {
	const steps = fc.array(fc.uniqueArray(fc.constantFrom(..."abcdefgh")), {
		maxLength: 40,
	});
	fc.assert(
		fc.property(steps, (sets) => {
			let pool: Pool | undefined;
			const freedAt = new Map<number, number>();
			let before = new Map<string, number>();
			for (const [revision, names] of sets.entries()) {
				const got = next(
					pool && JSON.parse(JSON.stringify(pool)),
					revision,
					names,
					new Set(),
					8 * (QUARANTINE + 1),
				);
				const now = new Map(names.map((name, i) => [name, got.ids[i] ?? 0]));
				assert.equal(new Set(got.ids).size, names.length);
				for (const [name, id] of now) {
					if (before.has(name)) {
						assert.equal(before.get(name), id);
					} else if (freedAt.has(id)) {
						assert.ok(revision - (freedAt.get(id) ?? 0) >= QUARANTINE);
					}
				}
				for (const [name, id] of before) {
					if (!now.has(name)) freedAt.set(id, revision);
				}
				before = now;
				pool = got.pool;
			}
		}),
	);
});
