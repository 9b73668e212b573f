/** Writes the generated pages of docs/; with --check fails where one is stale. */
import { readFileSync, writeFileSync } from "node:fs";
import { countersMarkdown } from "../src/api/counters.js";
import { errorsMarkdown } from "../src/api/errors.js";
import { referenceMarkdown } from "./reference.js";

const pages: Record<string, string> = {
	"docs/errors.md": errorsMarkdown(),
	"docs/counters.md": countersMarkdown(),
	"docs/reference.md": referenceMarkdown(),
};

for (const [path, wanted] of Object.entries(pages)) {
	if (!process.argv.includes("--check")) {
		writeFileSync(path, wanted);
		continue;
	}
	if (readFileSync(path, "utf8") !== wanted) {
		console.error(
			`gen-docs: ${path} is stale (run node dist/tools/gen-docs.js)`,
		);
		process.exitCode = 1;
	}
}
