/** Runs the rows about YAML, intents and rules through load and check. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { applyDocuments, emptyIntent } from "../../src/model/change.js";
import { checkIntent } from "../../src/model/check.js";
import { loadDocuments } from "../../src/model/load.js";
import type { Problem } from "../../src/model/problem.js";
import { documents } from "./documents.js";
import { intents } from "./intents.js";
import { policy, type WrongInput } from "./row.js";
import { chains } from "./rules/chains.js";
import { matches } from "./rules/matches.js";
import { values } from "./rules/values.js";

/** Each stands as `rule: …` in line 4 of a policy. */
const rules = [...matches, ...values, ...chains];

function problemsOf(text: string): readonly Problem[] {
	const loaded = loadDocuments([{ name: "wrong.yaml", text }]);
	if (loaded.problems.length > 0) return loaded.problems;
	const { intent } = applyDocuments(emptyIntent, loaded.documents);
	return checkIntent(intent, loaded.sources);
}

function run(title: string, rows: readonly WrongInput[]): void {
	describe(title, () => {
		for (const { title, input, expect } of rows)
			test(title, () => {
				const [first] = problemsOf(input);
				assert.ok(first, "nothing was found wrong");
				const { line, column, message, hint } = first;
				const found = { place: `${line}:${column}`, message, hint };
				assert.deepEqual(found, expect);
			});
	});
}

run("wrong documents", documents);
run("wrong intents", intents);
run(
	"wrong rules",
	rules.map((row) => ({ ...row, input: policy(row.input) })),
);

test("the table is large enough", () => {
	const rows = [...documents, ...intents, ...rules];
	assert.ok(rows.length >= 100, `${rows.length} rows`);
	assert.equal(new Set(rows.map((row) => row.title)).size, rows.length);
});
