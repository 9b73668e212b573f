/** Every drop reason is documented, and docs/counters.md is what is generated. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { DROP_REASON_DOCS, DROP_REASON_NAMES } from "../kernel/layout.gen.js";
import { countersMarkdown, dropHints } from "./counters.js";

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
