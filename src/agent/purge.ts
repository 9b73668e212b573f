/** Removes everything that a node's agents made, whether it can be adopted or not. */
import { rmSync } from "node:fs";
import { removePins } from "./dataplane.js";
import { NodeEf } from "./ef/ef.js";
import { HostSettings } from "./host.js";
import { functionsDirectory, Instances } from "./instances.js";
import { interfaceIndexes } from "./interfaces.js";
import { Journal } from "./journal.js";

export interface PurgeOptions {
	/** First part of every name outside: pins, namespaces. */
	readonly prefix: string;
	readonly node: string;
	/** Journal, logs, keys; keys and certificates stay. */
	readonly stateDir: string;
	/** Network namespace of the node; that of this process where absent. */
	readonly netns?: string | undefined;
}

/** Throws where an agent runs. */
export async function purge(options: PurgeOptions): Promise<void> {
	const journal = new Journal(options.stateDir);
	journal.lock();
	try {
		/* While programs still hold back what nobody has judged. */
		new HostSettings(journal, options.netns).restore();
		await new NodeEf({
			...options,
			guard: () => {},
			tell: () => {},
			changed: () => {},
		}).remove();
		const stateDir = functionsDirectory(options.stateDir);
		await new Instances({
			...options,
			stateDir,
			notify: () => {},
			changed: () => {},
			mtu: () => 0,
			probeMap: { get: () => undefined },
		}).sweep([]);
		removePins(options, await interfaceIndexes(options.netns));
		rmSync(stateDir, { recursive: true, force: true });
		journal.clear();
	} finally {
		journal.unlock();
	}
}
