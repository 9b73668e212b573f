/** What holds for the repository as a whole: style, layers, generated files. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./root.js";

const checks: readonly [title: string, argv: readonly string[]][] = [
	[
		"biome finds nothing",
		[
			"node_modules/@biomejs/biome/bin/biome",
			"ci",
			"--error-on-warnings",
			"--colors=off",
		],
	],
	["imports point downwards", ["dist/tools/check-imports.js"]],
	[
		"layout.gen.ts is what the compiled programs say",
		["dist/tools/gen-layout.js", "--check"],
	],
	["generated documentation is current", ["dist/tools/gen-docs.js", "--check"]],
];

for (const [title, argv] of checks)
	test(`repository: ${title}`, () => {
		assert.ok(existsSync(join(root, argv[0] ?? "")), `${argv[0]} exists`);
		const result = spawnSync(process.execPath, argv, {
			cwd: root,
			encoding: "utf8",
		});
		assert.equal(result.status, 0, `${result.stdout}${result.stderr}`);
	});
