/** The process of a node's encryption function, found as its agent finds it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { efDirectory } from "../src/agent/ef/ef.js";
import type { ProcessId } from "../src/kernel/process.js";

/** By the directory where the node's agent keeps its files. */
export function efProcess(stateDir: string): ProcessId {
	const file = join(efDirectory(stateDir), "process.json");
	return (JSON.parse(readFileSync(file, "utf8")) as { id: ProcessId }).id;
}
