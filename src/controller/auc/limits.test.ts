import assert from "node:assert/strict";
import { test } from "node:test";
import { Lobby, RateLimit, sourceOf } from "./limits.js";

test("an IPv6 network is one source, an IPv4 address is one", () => {
	const same = (a: string, b: string) => sourceOf(a) === sourceOf(b);
	assert.ok(same("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"));
	assert.ok(!same("2001:db8::1", "2001:db8:0:1::1"));
	assert.ok(same("fe80::1%eth0", "fe80::2%eth0"));
	assert.ok(!same("10.0.0.1", "10.0.0.2"));
	assert.ok(same("::ffff:10.0.0.1", "10.0.0.1"));
	assert.ok(!same("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
});

test("a newcomer takes the oldest's place: of its source, or of who has most", () => {
	const gone: string[] = [];
	const lobby = new Lobby<string>({ total: 5, ofOneSource: 3 }, (one) =>
		gone.push(one),
	);
	const leave = lobby.enter("b", "b1");
	for (const one of ["a1", "a2", "a3", "a4"]) lobby.enter("a", one);
	assert.deepEqual(gone.splice(0), ["a1"], "of its own source");
	lobby.enter("c", "c1");
	lobby.enter("d", "d1");
	assert.deepEqual(gone.splice(0), ["a2"], "of the source that has most");
	leave();
	leave();
	lobby.enter("e", "e1");
	assert.deepEqual(gone, [], "who left has made room, once");
	lobby.enter("f", "f1");
	assert.deepEqual(gone, ["a3"]);
});

test("a rate is of what things cost, and each key has its own", () => {
	const limit = new RateLimit({ perSecond: 10, burst: 100 });
	assert.ok(limit.allows("a", 0, 100));
	assert.ok(!limit.allows("a", 50, 1));
	assert.ok(limit.allows("a", 100, 1));
	assert.ok(!limit.allows("a", 1000, 11));
	assert.ok(limit.allows("b", 1000, 100));
});
