/**
 * Composition root of a node's encryption function (EF): the agent starts it with
 * its directory as the only argument, and it outlives the agent.
 */
import { setPriority } from "node:os";
import { EfProcess } from "../functions/ef-process/process.js";
import { makeUndumpable } from "../kernel/undumpable.js";

/** What carries packets goes before what decides about them; its threads inherit it. */
const NICE = -10;

/* Whatever it makes, and has in its memory, is for its owner alone. */
process.umask(0o077);
makeUndumpable();

const [directory = "", ...rest] = process.argv.slice(2);
if (directory === "" || rest.length > 0)
	end("usage: ef DIRECTORY (the agent starts this program)");

try {
	setPriority(NICE);
} catch {
	log("runs without priority: it has no right to it");
}

try {
	const ef = await EfProcess.start({ directory, log, onEnd: end });
	log("runs");
	process.once("SIGTERM", () => void ef.close().then(() => process.exit(0)));
} catch (error) {
	end(error instanceof Error ? error.message : String(error));
}

function log(line: string): void {
	console.error(`${new Date().toISOString()} ${line}`);
}

/**
 * The user-space engine's keys go with the process. Those that are in the kernel
 * serve on, each to its end, until the next process flushes them when it starts.
 */
function end(reason: string): never {
	log(`ends: ${reason}`);
	process.exit(1);
}
