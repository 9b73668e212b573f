/**
 * This installation: its version, and what the build made that is not TypeScript.
 * Found from the package's own file, as a program may be bundled or not.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = packageRoot(dirname(fileURLToPath(import.meta.url)));

/** Where the build put a file or directory of this name in `dist/`. */
export function built(name: string): string {
	return join(ROOT, "dist", name);
}

/** As package.json has it. */
export function packageVersion(): string {
	const text = readFileSync(join(ROOT, "package.json"), "utf8");
	return (JSON.parse(text) as { version: string }).version;
}

function packageRoot(from: string): string {
	if (existsSync(join(from, "package.json"))) return from;
	const above = dirname(from);
	if (above !== from) return packageRoot(above);
	throw new Error(
		"find this installation: no package.json above its programs (install it whole)",
	);
}
