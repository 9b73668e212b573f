// Installs the npm packages of package-lock.json when node_modules is absent or older.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { say, Unmet } from "./say.mjs";

/** npm writes this file last, so its age is the age of the whole installation. */
const MARKER = "node_modules/.package-lock.json";

/** True when the lock file says something node_modules does not have yet. */
export function packagesAreStale(root) {
	const marker = join(root, MARKER);
	if (!existsSync(marker)) return true;
	return (
		statSync(join(root, "package-lock.json")).mtimeMs > statSync(marker).mtimeMs
	);
}

export function installNpmPackages(root) {
	if (!packagesAreStale(root)) return;
	say("setup: installing npm packages (npm ci)");
	const result = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
		cwd: root,
		stdio: ["ignore", "ignore", "inherit"],
	});
	if (result.error !== undefined || result.status !== 0)
		throw new Unmet(
			`setup: npm ci failed: ${result.error?.message ?? `status ${result.status}`} (check the network, then start again)`,
		);
}
