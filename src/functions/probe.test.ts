import assert from "node:assert/strict";
import { test } from "node:test";
import { ProbeJudge, probeFrame, probeTiming } from "./probe.js";

test("a judge says up at the first probe seen, down after the misses allowed", () => {
	const judge = new ProbeJudge({ intervalMs: 10, misses: 2 });
	const script: [
		count: number,
		lastSeenNs: number,
		nowNs: number,
		state: string,
		changed: boolean,
	][] = [
		[5, 0, 1000, "starting", false],
		[6, 4000, 10_000, "up", true],
		[7, 12_000, 20_000, "up", false],
		[7, 12_000, 30_000, "up", false],
		[7, 12_000, 40_000, "down", true],
		[7, 12_000, 50_000, "down", false],
		[8, 51_000, 60_000, "up", true],
	];
	for (const [count, lastSeenNs, nowNs, state, changed] of script) {
		assert.equal(
			judge.tick({ count, lastSeenNs }, nowNs),
			changed,
			`at ${nowNs}`,
		);
		assert.equal(judge.state, state, `at ${nowNs}`);
	}
	assert.equal(judge.rttUs, 1);
});

test("a late answer does not pass for a short round trip", () => {
	const judge = new ProbeJudge({ intervalMs: 10, misses: 3 });
	judge.tick({ count: 0, lastSeenNs: 0 }, 1000);
	judge.tick({ count: 0, lastSeenNs: 0 }, 2000);
	judge.tick({ count: 1, lastSeenNs: 1500 }, 3000);
	assert.equal(judge.state, "up");
	assert.equal(judge.rttUs, undefined);
});

test("a function that never lets a probe through ends as down", () => {
	const judge = new ProbeJudge(probeTiming({ proto: "udp", misses: 1 }));
	judge.tick({ count: 0, lastSeenNs: 0 }, 1);
	assert.ok(judge.tick({ count: 0, lastSeenNs: 0 }, 2));
	assert.equal(judge.state, "down");
});

test("a probe is addressed through the function, to the range for tests", () => {
	const inside = {
		name: "cmP258i",
		ifindex: 7,
		functionMac: "02:63:6d:01:01:02",
		hostMac: "02:63:6d:00:01:02",
		peer: true,
	};
	const frame = probeFrame(258, inside, { proto: "udp", dport: 5000 });
	assert.equal(frame.toString("hex", 0, 12), "02636d01010202636d000102");
	assert.deepEqual([...frame.subarray(26, 34)], [198, 18, 1, 2, 198, 19, 1, 2]);
	assert.equal(frame.readUInt16BE(36), 5000);
	assert.equal(probeFrame(258, inside, { proto: "icmp" })[23], 1);
});
