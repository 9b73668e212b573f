/** Who is silent, and who is only not there yet. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Liveness } from "./liveness.js";

const silent = (liveness: Liveness, nowMs: number) =>
	liveness
		.report(nowMs)
		.filter(({ alive }) => !alive)
		.map(({ nodeId }) => nodeId);

describe("liveness", () => {
	it("counts one as silent at once that was heard before", () => {
		const liveness = new Liveness();
		assert.ok(liveness.expect([1, 2], 0));
		liveness.change(1, true);
		liveness.change(1, false);
		assert.deepEqual(silent(liveness, 1), [1]);
		liveness.change(1, true);
		assert.deepEqual(silent(liveness, 1), []);
	});

	it("waits for one that was never heard", () => {
		const liveness = new Liveness();
		liveness.expect([1], 0);
		liveness.change(1, false);
		assert.deepEqual(silent(liveness, 100), []);
		assert.deepEqual(silent(liveness, 60_000), [1]);
	});

	it("knows nobody else, and says when they are others", () => {
		const liveness = new Liveness();
		liveness.expect([1], 0);
		liveness.change(9, false);
		assert.ok(!liveness.expect([1], 5));
		assert.ok(liveness.expect([2], 5));
		assert.deepEqual(liveness.report(5), [{ nodeId: 2, alive: true }]);
	});
});
