/** Maps in the kernel against the same operations on a Map. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import {
	type BpfMap,
	createMap,
	MAPS,
	type MapDefinition,
} from "../../src/kernel/bpf.js";
import { u32, u64 } from "../../src/kernel/codec.js";

const HASH: MapDefinition<number, number> = {
	name: "t_hash",
	type: "hash",
	maxEntries: 10_000,
	key: u32,
	value: u64,
};

function make<K, V>(
	t: TestContext,
	definition: MapDefinition<K, V>,
): BpfMap<K, V> {
	const map = createMap(definition);
	t.after(() => map.close());
	return map;
}

const sorted = (map: Iterable<[number, number]>) =>
	[...map].sort(([a], [b]) => a - b);

test("single entries: set, replace, get, delete", (t) => {
	const map = make(t, HASH);
	assert.equal(map.get(1), undefined);
	map.set(1, 2 ** 53 - 1);
	assert.equal(map.get(1), 2 ** 53 - 1);
	map.set(1, 7);
	assert.equal(map.get(1), 7);
	assert.equal(map.delete(1), true);
	assert.equal(map.delete(1), false);
	assert.equal(map.capacity, 10_000);
});

test("random operations leave what a Map would hold", (t) => {
	const key = fc.nat(40);
	const step = fc.oneof(
		fc.record({
			set: fc.array(fc.tuple(key, fc.maxSafeNat()), { maxLength: 30 }),
		}),
		fc.record({ drop: fc.array(key, { maxLength: 30 }) }),
	);
	const map = make(t, { ...HASH, maxEntries: 100 });
	fc.assert(
		fc.property(fc.array(step, { maxLength: 10 }), (steps) => {
			map.clear();
			const twin = new Map<number, number>();
			for (const one of steps) {
				if ("set" in one) {
					map.setBatch(one.set);
					for (const [k, v] of one.set) twin.set(k, v);
				} else {
					map.deleteBatch(one.drop);
					for (const k of one.drop) twin.delete(k);
				}
			}
			assert.deepEqual(sorted(map.entries()), sorted(twin));
		}),
	);
});

test("batches longer than one system call, with keys that are not there", (t) => {
	const map = make(t, HASH);
	const all = Array.from({ length: 9000 }, (_, i): [number, number] => [
		i,
		i * 3,
	]);
	map.setBatch(all);
	assert.deepEqual(sorted(map.entries()), all);
	const counted = [...map.counts()];
	assert.ok(counted.length > 1);
	assert.equal(
		counted.reduce((sum, part) => sum + part),
		all.length,
	);
	map.deleteBatch(Array.from({ length: 12_000 }, (_, i) => i * 2));
	assert.deepEqual(
		sorted(map.entries()),
		all.filter(([k]) => k % 2 === 1),
	);
});

test("a full map says so", (t) => {
	const map = make(t, { ...HASH, maxEntries: 2 });
	const three: [number, number][] = [1, 2, 3].map((k) => [k, k]);
	assert.throws(
		() => map.setBatch(three),
		/update map t_hash: E2BIG \(the table is full/,
	);
});

test("arrays are read by range", (t) => {
	const map = make(t, { ...HASH, type: "array", maxEntries: 5000 });
	map.setBatch(
		Array.from({ length: 5000 }, (_, i): [number, number] => [i, i]),
	);
	assert.deepEqual(map.range(0, 3), [0, 1, 2]);
	assert.deepEqual(map.range(4097, 2), [4097, 4098]);
	assert.deepEqual(map.range(4998, 10), [4998, 4999]);
	assert.deepEqual(map.range(9, 0), []);
	assert.equal([...map.entries()].length, 5000);
	assert.throws(() => map.delete(1), /delete map t_hash: EINVAL/);
});

test("a per-CPU value reads as the sum of what was set", (t) => {
	const map = make(t, { ...MAPS.hopCounters, maxEntries: 100 });
	map.set(3, { packets: 5, bytes: 500 });
	assert.deepEqual(map.get(3), { packets: 5, bytes: 500 });
	map.setBatch([[4, { packets: 1, bytes: 2 }]]);
	assert.deepEqual(map.range(3, 2), [
		{ packets: 5, bytes: 500 },
		{ packets: 1, bytes: 2 },
	]);
	map.set(3, { packets: 0, bytes: 0 });
	assert.deepEqual(map.get(3), { packets: 0, bytes: 0 });
});

test("an LPM trie finds the longest prefix and lists its prefixes", (t) => {
	const map = make(t, { ...MAPS.subnets, maxEntries: 100 });
	const key = (prefixlen: number, ...w: number[]) => ({
		prefixlen,
		scope: 7,
		addr: { w },
	});
	const wide = key(32 + 96 + 8, 0, 0, 0xffff, 0x0a000000);
	const narrow = key(32 + 96 + 24, 0, 0, 0xffff, 0x0a010200);
	map.setBatch([
		[wide, 1],
		[narrow, 2],
	]);
	assert.equal(map.get(key(160, 0, 0, 0xffff, 0x0a010203)), 2);
	assert.equal(map.get(key(160, 0, 0, 0xffff, 0x0a090203)), 1);
	assert.equal(map.get(key(160, 0, 0, 0xffff, 0x0b010203)), undefined);
	assert.equal(
		map.get({ ...key(160, 0, 0, 0xffff, 0x0a010203), scope: 8 }),
		undefined,
	);
	assert.deepEqual([...map.entries()].map(([, value]) => value).sort(), [1, 2]);
	map.clear();
	assert.deepEqual([...map.entries()], []);
});
