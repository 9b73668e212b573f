import assert from "node:assert/strict";
import { test } from "node:test";
import { demoArguments } from "./arguments.js";

test("demo: runs, is kept, is ended", () => {
	assert.deepEqual(demoArguments([]), { kind: "run", keep: false });
	assert.deepEqual(demoArguments(["--keep"]), { kind: "run", keep: true });
	assert.deepEqual(demoArguments(["--end", "ab"]), { kind: "end", run: "ab" });
});

for (const [line, cause] of [
	["--end", /--end needs the name of a run/],
	["--end --keep", /--end needs the name of a run/],
	["--keep --end x", /--keep does not go with --end x/],
	["--end x y", /--end does not go with y/],
	["--nosuch", /unknown option --nosuch/],
] as const)
	test(`demo: ${line} is told what it lacks`, () => {
		const wanted = demoArguments(line.split(" "));
		assert.equal(wanted.kind, "wrong");
		assert.match(wanted.kind === "wrong" ? wanted.message : "", cause);
		assert.match(wanted.kind === "wrong" ? wanted.message : "", /usage: npm/);
	});
