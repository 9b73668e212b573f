import assert from "node:assert/strict";
import { test } from "node:test";
import { flowHash, textHash, tupleBytes } from "./hash.js";

const packet = {
	src: "10.0.1.5",
	dst: "2001:db8::7",
	proto: 6,
	sport: 0x1234,
	dport: 443,
};

test("a tuple lies in memory as struct tuple of bpf/maps.h", () => {
	assert.equal(
		Buffer.from(tupleBytes(packet)).toString("hex"),
		"00000000000000000000ffff0a000105" +
			"20010db8000000000000000000000007" +
			"123401bb" +
			"06000000",
	);
});

test("the flow hash is the kernel's: words little-endian, unsigned, without DSCP", () => {
	const tuple = tupleBytes(packet);
	const words = new Uint32Array(tuple.slice().buffer);
	let h = 0x9e3779b9n;
	const mask = 0xffffffffn;
	for (const word of words) {
		h = ((h ^ BigInt(word)) * 0x85ebca6bn) & mask;
		h ^= h >> 13n;
	}
	h = (h * 0xc2b2ae35n) & mask;
	h ^= h >> 16n;
	assert.equal(BigInt(flowHash(tuple)), h);
	tuple[37] = 46;
	tuple[38] = 1;
	assert.equal(BigInt(flowHash(tuple)), h);
	tuple[36] = 17;
	assert.notEqual(BigInt(flowHash(tuple)), h);
});

test("names that differ by one character hash far apart", () => {
	const hashes = Array.from({ length: 1000 }, (_, i) => textHash(`fw-${i}`));
	const buckets = new Set(hashes.map((hash) => hash % 251));
	assert.equal(new Set(hashes).size, 1000);
	assert.ok(buckets.size > 240, `only ${buckets.size} of 251 buckets`);
});
