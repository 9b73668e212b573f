/** Every drop reason is documented, and docs/counters.md is what is generated. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Refusal } from "../functions/ef/refusal.js";
import {
	DROP_REASON_DOCS,
	DROP_REASON_NAMES,
	VERDICT_COUNTER_DOCS,
	VERDICT_COUNTER_NAMES,
} from "../kernel/layout.gen.js";
import {
	countersMarkdown,
	dropHints,
	refusalHints,
	verdictHints,
} from "./counters.js";

test("docs/counters.md is what the enum and the tables generate", () => {
	assert.equal(readFileSync("docs/counters.md", "utf8"), countersMarkdown());
});

test("every drop reason has a meaning and says what to do", () => {
	assert.deepEqual(
		Object.keys(dropHints).sort(),
		DROP_REASON_NAMES.slice(1).sort(),
	);
	for (const meaning of DROP_REASON_DOCS.slice(1)) {
		assert.match(meaning, /^\S+ \S+ \S+/, "a line");
		assert.doesNotMatch(meaning, /\|/, "no column of a table");
	}
	for (const hint of Object.values(dropHints))
		assert.match(hint, /^[A-Z][^|]*\.$/, "a sentence");
});

test("every counter of verdicts has a meaning and says what it tells", () => {
	assert.deepEqual(
		Object.keys(verdictHints).sort(),
		[...VERDICT_COUNTER_NAMES].sort(),
	);
	assert.equal(VERDICT_COUNTER_DOCS.length, VERDICT_COUNTER_NAMES.length);
	for (const meaning of VERDICT_COUNTER_DOCS) assert.match(meaning, /\w+ \w+/);
	for (const [, hint] of Object.values(verdictHints))
		assert.match(hint, /^[A-Z][^|]*\.$/, "a sentence");
});

test("every reason to refuse has a meaning and says what to do", () => {
	assert.deepEqual(
		Object.keys(refusalHints).sort(),
		Object.keys(Refusal).sort(),
	);
	for (const [meaning, hint] of Object.values(refusalHints)) {
		assert.doesNotMatch(meaning, /\|/, "no column of a table");
		assert.match(hint, /^[A-Z][^|]*\.$/, "a sentence");
	}
});
