/** Downloads of the guests, outside of the repository: made once, whole or not at all. */
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** CHAINMAIL_CACHE, or what the user's caches are in. */
export function cacheFolder(): string {
	const caches = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
	return process.env.CHAINMAIL_CACHE ?? join(caches, "chainmail");
}

/**
 * A folder of the cache; `fill` makes what is in it where it is not there yet.
 * Whoever else makes it meanwhile does so aside: the first to be done wins.
 */
export async function cached(
	name: string,
	fill: (folder: string) => Promise<void>,
): Promise<string> {
	const target = join(cacheFolder(), name);
	if (existsSync(target)) return target;
	mkdirSync(dirname(target), { recursive: true });
	const draft = mkdtempSync(`${target}.draft-`);
	try {
		say(`test/vm: making ${target} (kept for the next time)`);
		await fill(draft);
		if (!existsSync(target)) renameSync(draft, target);
		return target;
	} finally {
		rmSync(draft, { recursive: true, force: true });
	}
}

/** A line of progress; stdout belongs to the test runner. */
export function say(line: string): void {
	process.stderr.write(`${line}\n`);
}
