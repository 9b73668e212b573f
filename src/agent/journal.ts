/** What the agent remembers of its node between two runs. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { readIfThere, writePrivate } from "../kernel/files.js";
import { identify, isRunning, type ProcessId } from "../kernel/process.js";
import type { NodeState } from "../plan/state.js";

export class Journal {
	readonly #directory: string;
	#locked = false;

	constructor(directory: string) {
		this.#directory = directory;
	}

	/** The state applied last; undefined where there is none that can be read. */
	state(): NodeState | undefined {
		const text = readIfThere(this.#path("state.json"));
		if (text === undefined) return undefined;
		try {
			return JSON.parse(text) as NodeState;
		} catch {
			/* A new state replaces it; until then the kernel's tables stay as they are. */
			return undefined;
		}
	}

	write(state: NodeState): void {
		writePrivate(this.#path("state.json"), JSON.stringify(state));
	}

	/** Sysctls as they were before the agent first changed them. */
	settings(): Readonly<Record<string, string>> {
		return JSON.parse(readIfThere(this.#path("sysctl.json")) ?? "{}") as Record<
			string,
			string
		>;
	}

	writeSettings(settings: Readonly<Record<string, string>>): void {
		writePrivate(this.#path("sysctl.json"), JSON.stringify(settings));
	}

	/** Keeps a second agent off this node. Throws where one runs. */
	lock(): void {
		const file = this.#path("agent.pid");
		const text = readIfThere(file);
		const other =
			text === undefined ? undefined : (JSON.parse(text) as ProcessId);
		if (other && isRunning(other))
			throw new Error(
				`open node: the agent with pid ${other.pid} has it (stop that one, or give another --state-dir)`,
			);
		writePrivate(file, JSON.stringify(identify(process.pid)));
		this.#locked = true;
	}

	unlock(): void {
		if (this.#locked) rmSync(this.#path("agent.pid"), { force: true });
		this.#locked = false;
	}

	/** Forgets the node, but not who it is: keys and certificates stay. */
	clear(): void {
		for (const name of ["state.json", "sysctl.json"])
			rmSync(this.#path(name), { force: true });
	}

	#path(name: string): string {
		return join(this.#directory, name);
	}
}
