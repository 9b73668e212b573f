/** Every golden row through PROG_TEST_RUN, on a node with nothing learned yet. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { locals, network, node } from "../golden/node.js";
import { rows } from "../golden/rows.js";
import { type Outcome, World } from "./world.js";

const world = World.open(node, { network, locals });
after(() => world.close());

for (const row of rows)
	test(`golden: ${row.title}`, () => {
		world.forget();
		for (const step of row.after ?? [])
			world.run(step.program, step.on, step.frame);
		const outcome = world.run(row.program, row.on, row.frame);
		assert.deepEqual(
			{ verdict: outcome.verdict, drops: outcome.drops },
			{ verdict: row.verdict, drops: row.drop ? [row.drop] : [] },
		);
		expectFrame(row.out, outcome);
		row.check?.(outcome.data);
	});

function expectFrame(expected: Buffer | undefined, outcome: Outcome): void {
	if (expected)
		assert.equal(outcome.data.toString("hex"), expected.toString("hex"));
}
