/** Runs the rows about command lines through bin/chainmail. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandLines } from "./cli.js";

const CHAINMAIL = fileURLToPath(
	new URL("../../../bin/chainmail", import.meta.url),
);

describe("wrong command lines", () => {
	for (const { title, input, expect } of commandLines)
		test(title, () => {
			const directory = mkdtempSync(join(tmpdir(), "chainmail-cli-"));
			try {
				for (const [name, text] of Object.entries(input.files ?? {}))
					writeFileSync(join(directory, name), text);
				const argv = input.argv.map((word) => word.replace("%", directory));
				const result = spawnSync(CHAINMAIL, argv, {
					encoding: "utf8",
					timeout: 20_000,
					env: {
						...process.env,
						CHAINMAIL_CONFIG: join(directory, "unset.json"),
					},
				});
				const { place, message, hint } = expect;
				for (const part of [place, message, hint])
					assert.ok(
						result.stderr.includes(part),
						`${part} is missing: ${result.stderr}`,
					);
				assert.doesNotMatch(result.stderr, /^\s+at /m, "no stack trace");
				assert.equal(result.stdout, "");
				assert.equal(result.status, input.status);
			} finally {
				rmSync(directory, { recursive: true });
			}
		});
});
