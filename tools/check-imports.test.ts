import assert from "node:assert/strict";
import { test } from "node:test";
import { brokenImports, importsOf, unplacedFolders } from "./check-imports.js";

const rows: readonly [
	name: string,
	path: string,
	text: string,
	reason: RegExp | undefined,
][] = [
	["down", "src/cli/get.ts", 'import { a } from "../api/x.js";', undefined],
	["same layer", "src/cli/get.ts", 'import "./table.js";', undefined],
	[
		"climb",
		"src/api/x.ts",
		'import { a } from "../cli/x.js";',
		/climbs from api to cli/,
	],
	[
		"climb of a type",
		"src/wire/x.ts",
		'import type { A } from "../plan/x.js";',
		/climbs from wire to plan/,
	],
	[
		"climb by re-export",
		"src/wire/x.ts",
		'export * from "../model/x.js";',
		/climbs/,
	],
	[
		"climb by dynamic import",
		"src/model/x.ts",
		'const a = await import("../plan/x.js");',
		/climbs/,
	],
	["siblings", "src/keys/x.ts", 'import "../session/x.js";', /siblings/],
	["outside", "src/cli/x.ts", 'import "../../lab/x.js";', /from outside/],
	["pure", "src/plan/x.ts", 'import net from "node:net";', /pure/],
	[
		"door",
		"src/agent/x.ts",
		'import { spawn } from "node:child_process";',
		/only kernel/,
	],
	[
		"door itself",
		"src/kernel/x.ts",
		'import { spawn } from "node:child_process";',
		undefined,
	],
	["in a comment", "src/wire/x.ts", '// from "../plan/x.js"', undefined],
	["lab may import src", "lab/x.ts", 'import "../src/api/x.js";', undefined],
];

for (const [name, path, text, reason] of rows)
	test(`imports: ${name}`, () => {
		const found = brokenImports([{ path, text }]);
		if (reason === undefined) assert.deepEqual(found, []);
		else {
			assert.equal(found.length, 1);
			assert.match(found[0] ?? "", reason);
		}
	});

test("imports: reports the line of a multi-line import", () => {
	const text = '/* two\nlines */\nimport {\n\ta,\n} from "../plan/x.js";\n';
	assert.deepEqual(importsOf(text), [{ line: 5, target: "../plan/x.js" }]);
});

test("imports: a folder without a layer is reported", () => {
	assert.deepEqual(unplacedFolders(["cli", "extra"]), ["extra"]);
});
