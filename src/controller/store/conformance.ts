/** The one suite that every store passes; each engine's test calls it. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { memoryStore } from "./memory.js";
import type { Commit, Condition, Store, Write } from "./store.js";

/** `make` gives an empty store whose clock is `now`. */
export function conforms(
	name: string,
	make: (now: () => number) => Promise<Store>,
): void {
	const each = (
		title: string,
		body: (store: Store, clock: { ms: number }) => Promise<void>,
	) =>
		test(`${name}: ${title}`, async () => {
			const clock = { ms: 1000 };
			const store = await make(() => clock.ms);
			try {
				await body(store, clock);
			} finally {
				await store.close();
			}
		});

	each("reads what was put, with growing versions", async (store) => {
		assert.equal(await store.get("a"), undefined);
		const first = await store.put("a", { deep: [1, null, "é"] });
		const second = await store.put("b", "x");
		assert.ok(second > first);
		assert.deepEqual(await store.get("a"), {
			key: "a",
			value: { deep: [1, null, "é"] },
			version: first,
		});
		await store.delete("a");
		assert.equal(await store.get("a"), undefined);
	});

	each("values do not alias what the caller holds", async (store) => {
		const value = { n: 1 };
		await store.put("a", value);
		value.n = 2;
		assert.deepEqual((await store.get("a"))?.value, { n: 1 });
	});

	each("lists by prefix in byte order, also odd prefixes", async (store) => {
		for (const key of ["p/b", "p/a", "p0", "p", "p/é", "p/%", "p/a_c", "q"]) {
			await store.put(key, key);
		}
		const keys = async (prefix: string) =>
			(await store.list(prefix)).map((entry) => entry.key);
		assert.deepEqual(await keys("p/"), ["p/%", "p/a", "p/a_c", "p/b", "p/é"]);
		assert.deepEqual(await keys("p/%"), ["p/%"]);
		assert.deepEqual(await keys("p/a"), ["p/a", "p/a_c"]);
		assert.equal((await keys("")).length, 8);
		assert.deepEqual(await keys("z"), []);
	});

	each("compare-and-swap writes only over the version named", async (store) => {
		assert.equal(await store.compareAndSwap("a", 7, 1), false);
		assert.equal(await store.compareAndSwap("a", 0, 1), true);
		assert.equal(await store.compareAndSwap("a", 0, 2), false);
		const version = (await store.get("a"))?.version ?? 0;
		assert.equal(await store.compareAndSwap("a", version, 3), true);
		assert.equal(await store.compareAndSwap("a", version, 4), false);
		assert.equal((await store.get("a"))?.value, 3);
	});

	each("a transaction is all or nothing", async (store) => {
		await store.put("old", 1);
		const refused = await store.transact(
			[
				{ key: "x", value: 1 },
				{ key: "old", value: undefined },
			],
			[{ key: "old", version: 99 }],
		);
		assert.equal(refused, undefined);
		assert.equal(await store.get("x"), undefined);
		assert.equal((await store.get("old"))?.value, 1);
		const version = await store.transact([
			{ key: "x", value: 1 },
			{ key: "y", value: 2 },
			{ key: "old", value: undefined },
		]);
		assert.equal((await store.get("x"))?.version, version);
		assert.equal((await store.get("y"))?.version, version);
		assert.equal(await store.get("old"), undefined);
	});

	each(
		"a watcher sees each commit once, in order, its prefix only",
		async (store) => {
			const seen: Commit[] = [];
			const stop = store.watch("w/", (commit) => seen.push(commit));
			await store.put("other", 0);
			const first = await store.put("w/a", 1);
			const second = await store.transact([
				{ key: "w/b", value: 2 },
				{ key: "other", value: 1 },
				{ key: "w/a", value: undefined },
			]);
			await store.compareAndSwap("w/c", 55, "refused");
			stop();
			await store.put("w/d", 4);
			assert.deepEqual(seen, [
				{ version: first, writes: [{ key: "w/a", value: 1 }] },
				{
					version: second,
					writes: [
						{ key: "w/b", value: 2 },
						{ key: "w/a", value: undefined },
					],
				},
			]);
		},
	);

	each("a lease has one owner and ends by itself", async (store, clock) => {
		assert.equal(await store.lease("leader", "a", 100), true);
		assert.equal(await store.lease("leader", "b", 100), false);
		clock.ms += 90;
		assert.equal(await store.lease("leader", "a", 100), true, "renewed");
		clock.ms += 90;
		assert.equal(await store.lease("leader", "b", 100), false);
		clock.ms += 11;
		assert.equal(await store.lease("leader", "b", 100), true, "a was silent");
		await store.release("leader", "a");
		assert.equal(await store.lease("leader", "a", 100), false, "not a's");
		await store.release("leader", "b");
		assert.equal(await store.lease("leader", "a", 100), true);
	});

	const key = fc.constantFrom("a", "a/1", "a/2", "b", "ab", "");
	const operation = fc.record({
		writes: fc.array(
			fc.record({
				key,
				value: fc.option(fc.jsonValue(), { nil: undefined }),
			}),
			{ maxLength: 4 },
		),
		conditions: fc.array(
			fc.record({ key, version: fc.integer({ min: 0, max: 12 }) }),
			{ maxLength: 1 },
		),
	});
	test(`${name}: behaves like the memory twin on random histories`, async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(operation, { maxLength: 15 }),
				async (history) => {
					const store = await make(() => 0);
					const twin = memoryStore(() => 0);
					try {
						for (const step of history as {
							writes: Write[];
							conditions: Condition[];
						}[]) {
							assert.equal(
								await store.transact(step.writes, step.conditions),
								await twin.transact(step.writes, step.conditions),
							);
						}
						for (const prefix of ["", "a", "a/", "b"]) {
							assert.deepEqual(
								await store.list(prefix),
								await twin.list(prefix),
							);
						}
					} finally {
						await store.close();
					}
				},
			),
			{ numRuns: 40 },
		);
	});
}
