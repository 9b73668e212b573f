/** Objects, their pinned maps, test runs and ring buffers. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
	BpfMap,
	BpfObject,
	createMap,
	type KernelError,
	type OpenOptions,
	RingReader,
	testRun,
} from "../../src/kernel/bpf.js";
import {
	type Codec,
	type MapDefinition,
	readU64,
	u32,
	u64,
} from "../../src/kernel/codec.js";
import { libbpf } from "../../src/kernel/libbpf.js";
import { frame, pinRoot, REFUSED, TINY, until } from "./fixture.js";

const TABLE: MapDefinition<number, number> = {
	name: "table",
	type: "hash",
	maxEntries: 64,
	key: u32,
	value: u64,
};

function open(t: TestContext, path: string, options?: OpenOptions): BpfObject {
	const object = BpfObject.open(path, options);
	t.after(() => object.close());
	return object;
}

test("two opens share what is pinned, and it outlives both", async (t) => {
	const pins = await pinRoot(t);
	const one = open(t, TINY, { pinRoot: pins, mapSizes: { table: 100 } });
	one.map(TABLE).set(1, 11);
	/* The other asks for another size: it adopts what is there. */
	const two = open(t, TINY, { pinRoot: pins, mapSizes: { table: 7 } });
	assert.equal(two.map(TABLE).get(1), 11);
	assert.equal(two.map(TABLE).capacity, 100);
	two.map(TABLE).set(2, 22);
	assert.equal(one.map(TABLE).get(2), 22);
	assert.equal(one.program("first").tag, two.program("first").tag);
	assert.notEqual(one.program("first").tag, one.program("second").tag);
	one.close();
	two.close();
	const map = BpfMap.open(join(pins, "table"), TABLE);
	t.after(() => map.close());
	assert.deepEqual(map.get(2), 22);
	assert.deepEqual(readdirSync(pins).sort(), ["seen", "table"]);
});

test("without a pin root each open has maps of its own", (t) => {
	const one = open(t, TINY);
	one.map(TABLE).set(1, 1);
	assert.equal(open(t, TINY).map(TABLE).get(1), undefined);
});

test("a pinned map of another layout is refused, and stays as it is", async (t) => {
	const pins = await pinRoot(t);
	const other = createMap({ ...TABLE, value: u32 });
	t.after(() => other.close());
	other.set(5, 55);
	assert.equal(libbpf().pin(other.fd, join(pins, "table")), 0);
	assert.throws(
		() => open(t, TINY, { pinRoot: pins }),
		/adopt pinned map .*\/table: another layout: value bytes 4 instead of 8 \(another version wrote it/,
	);
	assert.throws(
		() => BpfMap.open(join(pins, "table"), TABLE),
		/it has value bytes 4 instead of 8/,
	);
	assert.equal(other.get(5), 55);
	assert.equal(existsSync(join(pins, "seen")), false);
});

test("only the programs asked for are loaded", (t) => {
	const object = open(t, TINY, { programs: ["second"] });
	assert.deepEqual(
		object.programs.map(({ name }) => name),
		["second"],
	);
	assert.throws(
		() => object.program("first"),
		/program first: .*tiny\.bpf\.o has only second/,
	);
});

test("what the verifier refuses is told with its reason", () => {
	assert.throws(
		() => BpfObject.open(REFUSED),
		(error: KernelError) => {
			assert.match(error.message, /load .*refused\.bpf\.o: EACCES/);
			assert.match(error.message, /R1 offset is outside of the packet/);
			assert.match(error.log ?? "", /BEGIN PROG LOAD LOG/);
			return true;
		},
	);
});

test("a file that is missing or no object is refused", () => {
	assert.throws(
		() => BpfObject.open("/nonexistent.o"),
		/open \/nonexistent\.o: no such file \(npm run build\)/,
	);
	assert.throws(
		() => BpfObject.open("/etc/passwd"),
		/open \/etc\/passwd: .*\(is it an eBPF object\?\)/s,
	);
});

const SAMPLE: Codec<{ mark: number; length: number; ifindex: number }> = {
	size: 16,
	write: () => assert.fail("only read"),
	decode: (b, at = 0) => ({
		mark: readU64(b, at),
		length: b.readUInt32LE(at + 8),
		ifindex: b.readUInt32LE(at + 12),
	}),
};

test("a test run gives verdict, packet and context; its events reach the reader", async (t) => {
	const object = open(t, TINY);
	const got: unknown[] = [];
	const reader = new RingReader(object.mapFd("samples"), SAMPLE, (sample) =>
		got.push(sample),
	);
	t.after(() => reader.close());
	const result = testRun(object.program("report").fd, frame(), {
		context: { mark: 21, ifindex: 1 },
	});
	assert.equal(result.retval, 2);
	assert.equal(result.context.mark, 42);
	assert.equal(result.data.length, frame().length);
	assert.equal(result.data[0], 0xab);
	assert.deepEqual(result.data.subarray(1), frame().subarray(1));
	/* No consume(): the event loop hears of it. */
	await until("an event", () => got.length > 0);
	assert.deepEqual(got, [{ mark: 21, length: 64, ifindex: 1 }]);
	testRun(object.program("report").fd, frame(), { repeat: 1000 });
	await until("1000 more", () => got.length === 1001);
});

test("an error of the handler comes out of consume(), and reading goes on", (t) => {
	const object = open(t, TINY);
	let calls = 0;
	const reader = new RingReader(object.mapFd("samples"), SAMPLE, () => {
		calls++;
		throw new Error("handler");
	});
	t.after(() => reader.close());
	testRun(object.program("report").fd, frame(), { repeat: 2 });
	assert.throws(() => reader.consume(), /^Error: handler$/);
	assert.equal(calls, 2);
	assert.equal(reader.consume(), 0);
});

test("a packet or interface the kernel refuses is told", (t) => {
	const { fd } = open(t, TINY).program("first");
	assert.throws(
		() => testRun(fd, Buffer.alloc(3)),
		/test run: EINVAL \(a packet has at least 14 bytes/,
	);
	assert.throws(
		() => testRun(fd, frame(), { context: { ifindex: 999_999 } }),
		/test run: EN/,
	);
});
