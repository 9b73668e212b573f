/** The registry and docs/errors.md agree. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { faultCodes } from "../controller/fault.js";
import { errors, errorsMarkdown } from "./errors.js";

test("docs/errors.md is what the registry generates", () => {
	assert.equal(readFileSync("docs/errors.md", "utf8"), errorsMarkdown());
});

test("every code the controller can answer with has an entry with a hint", () => {
	assert.deepEqual(Object.keys(errors).sort(), [...faultCodes].sort());
	for (const [code, entry] of Object.entries(errors)) {
		assert.ok(entry.status >= 400 && entry.status < 600, code);
		assert.ok(entry.hint.endsWith("."), `${code}: hint is a sentence`);
	}
});
