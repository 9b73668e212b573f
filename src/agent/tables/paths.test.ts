import assert from "node:assert/strict";
import { test } from "node:test";
import type { PortAttachments } from "../../functions/runtime.js";
import {
	type Counter,
	type Epoch,
	type Hop,
	HopKind,
	type Path,
	PathFlags,
	PortSide,
} from "../../kernel/layout.gen.js";
import type { PathState } from "../../plan/state.js";
import { MemoryTable } from "./memory.fixture.js";
import { boundPaths, PathTables, portEntries } from "./paths.js";

const end = (name: string, ifindex: number) => ({
	name,
	ifindex,
	functionMac: `02:00:00:00:01:${ifindex}`,
	hostMac: `02:00:00:00:00:${ifindex}`,
	peer: true,
});
const attached = new Map<number, PortAttachments>([
	[1, { id: 1, inside: end("cmP1i", 11), outside: end("cmP1o", 12) }],
	[2, { id: 2, tap: end("cmP2t", 13) }],
]);

const forward: PathState = {
	spi: 5,
	reverseSpi: 6,
	direction: "forward",
	tenantId: 3,
	policy: "web",
	length: 3,
	mtu: 1440,
	active: true,
	hops: [
		{ kind: "port", port: 1 },
		{ kind: "tap", port: 2 },
		null,
		{ kind: "exit" },
	],
};
const reverse: PathState = {
	...forward,
	spi: 6,
	reverseSpi: 5,
	direction: "reverse",
	hops: [
		null,
		{ kind: "tap", port: 2 },
		{ kind: "port", port: 1 },
		{ kind: "node", nodeId: 9 },
	],
};

function maps() {
	const log: string[] = [];
	return {
		quiesce: () => void log.push("quiesce"),
		log,
		paths: new MemoryTable<number, Path>("path", log),
		hops: new MemoryTable<number, Hop>("hop", log),
		hopCounters: new MemoryTable<number, Counter>("counter", log),
		shortcutCounters: new MemoryTable<number, Counter>("counter", log),
		epochs: new MemoryTable<number, Epoch>("epoch", log),
	};
}

test("each direction enters a port on its side and comes back on the other", () => {
	const m = maps();
	const tables = new PathTables(m, m.quiesce);
	tables.put(forward, 1, attached);
	tables.put(reverse, 1, attached);
	const there = m.hops.get(m.paths.get(5)?.firstHop ?? -1);
	assert.deepEqual(
		[there?.kind, there?.ifindex, there?.side, there?.flags],
		[HopKind.PORT, 11, PortSide.OUTSIDE, 1],
	);
	assert.equal(Buffer.from(there?.dmac ?? []).toString("hex"), "020000000111");
	const back = m.hops.get((m.paths.get(6)?.firstHop ?? -1) + 2);
	assert.deepEqual(
		[back?.kind, back?.ifindex, back?.side],
		[HopKind.PORT, 12, PortSide.INSIDE],
	);
	assert.equal(m.hops.get((m.paths.get(6)?.firstHop ?? -1) + 3)?.node, 9);
	assert.equal(m.paths.get(6)?.flags, PathFlags.PRESENT | PathFlags.REVERSE);
	assert.deepEqual(
		tables.counters(forward).map(({ si }) => si),
		[255, 254, 252],
	);
});

test("a path says that it is sealed here, and whether all of it that leaves is", () => {
	const m = maps();
	const tables = new PathTables(m, m.quiesce);
	const node = { kind: "node", nodeId: 9 } as const;
	const sealed = { ...node, sealed: "esp" } as const;
	const flagsOf = (...hops: PathState["hops"]) => {
		tables.put({ ...forward, length: hops.length - 1, hops }, 1, attached);
		return m.paths.get(5)?.flags;
	};
	const { PRESENT, SEALED, PLAIN } = PathFlags;
	assert.equal(flagsOf(node, null), PRESENT);
	tables.remove([5]);
	assert.equal(flagsOf(sealed, null), PRESENT | SEALED);
	tables.remove([5]);
	assert.equal(flagsOf(node, sealed, null), PRESENT | SEALED | PLAIN);
});

test("hops come before their path, and go when nobody looks at them any more", () => {
	const m = maps();
	const tables = new PathTables(m, m.quiesce);
	tables.put(forward, 1, attached);
	assert.ok(m.log.lastIndexOf("set hop") < m.log.indexOf("set path"));
	m.log.length = 0;
	tables.remove([5, 7]);
	assert.deepEqual(m.log, ["set path", "quiesce", ...Array(4).fill("set hop")]);
	assert.equal(m.paths.get(5)?.flags, 0);
	m.log.length = 0;
	tables.remove([5]);
	assert.deepEqual(m.log, []);
});

test("at no moment does a path that is there lead to hops of another", () => {
	const m = maps();
	const seen: Path[] = [];
	const { set } = m.paths;
	m.paths.set = function (spi: number, path: Path) {
		if (spi === 5) seen.push(path);
		set.call(this, spi, path);
	};
	const tables = new PathTables(m, m.quiesce);
	tables.put(reverse, 1, attached);
	tables.put(forward, 1, attached);
	tables.remove([5]);
	assert.deepEqual(
		seen.map(({ flags }) => flags),
		[0, PathFlags.PRESENT, 0],
	);
	for (const path of seen)
		assert.deepEqual({ ...path, flags: 0 }, { ...seen[0], flags: 0 });
	assert.ok((seen[0]?.firstHop ?? 0) > (m.paths.get(6)?.firstHop ?? 0));
	assert.equal(
		m.hops.get(0),
		undefined,
		"what was never written leads nowhere",
	);
});

test("a path of another length gets hops of its own", () => {
	const m = maps();
	const tables = new PathTables(m, m.quiesce);
	tables.put(forward, 1, attached);
	const { firstHop, born } = m.paths.get(5) ?? {};
	m.log.length = 0;
	const hops = forward.hops.slice(1);
	tables.put({ ...forward, length: 2, hops }, 1, attached);
	assert.deepEqual(m.log.slice(0, 2), ["set path", "quiesce"]);
	assert.notEqual(m.paths.get(5)?.firstHop, firstHop);
	assert.notEqual(m.paths.get(5)?.born, born);
});

test("the same path again writes nothing, nor does draining, nor a restart", () => {
	const m = maps();
	const tables = new PathTables(m, m.quiesce);
	tables.put(forward, 1, attached);
	m.log.length = 0;
	tables.put(forward, 1, attached);
	assert.deepEqual(m.log, []);
	tables.put({ ...forward, active: false }, 1, attached);
	new PathTables(m, m.quiesce).put({ ...forward, active: false }, 1, attached);
	assert.deepEqual(m.log, []);
});

test("a hop to a port that is not there is refused before anything is written", () => {
	const m = maps();
	assert.throws(
		() => new PathTables(m, m.quiesce).put(forward, 1, new Map()),
		/port 1: is not attached/,
	);
	assert.deepEqual(m.log, []);
});

test("a rewriting function's port knows its pair of paths", () => {
	assert.deepEqual(boundPaths(1, 5, [forward, reverse]), {
		outside: { spi: 5, si: 254 },
		inside: { spi: 6, si: 252 },
	});
	assert.equal(boundPaths(1, undefined, [forward]), undefined);
	const port = attached.get(1);
	assert.ok(port);
	const [inside, outside] = portEntries(
		port,
		"routed",
		boundPaths(1, 5, [forward, reverse]),
		"198.19.0.1",
	);
	assert.deepEqual(
		[inside?.[0], inside?.[1].boundSpi, inside?.[1].boundSi],
		[11, 6, 252],
	);
	assert.deepEqual(
		[outside?.[0], outside?.[1].boundSpi, outside?.[1].boundSi],
		[12, 5, 254],
	);
	assert.deepEqual(outside?.[1].probe.w, [0, 0, 0xffff, 0xc6130001]);
});
