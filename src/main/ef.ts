/**
 * Composition root of a node's encryption function (EF): the agent starts it with
 * its directory as the only argument, and it outlives the agent.
 */
import { setPriority } from "node:os";
import { EfProcess } from "../functions/ef-process/process.js";

/** What carries packets goes before what decides about them; its threads inherit it. */
const NICE = -10;

/* Whatever it makes is for its owner alone. */
process.umask(0o077);

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

/** Keys go with the process: no engine here keeps them elsewhere. */
function end(reason: string): never {
	log(`ends: ${reason}`);
	process.exit(1);
}
