/**
 * Before programs leave a node that goes on: where hops are sealed nothing may
 * be forwarded until they are back, for the kernel would do it in the clear.
 */
import { existsSync } from "node:fs";
import { efFiles } from "../functions/ef-process/config.js";
import { closeEfPairs } from "../functions/ef-process/network.js";
import { links } from "../kernel/ip.js";
import { efDirectory, needsEf } from "./ef/ef.js";
import type { HostSettings } from "./host.js";
import type { Journal } from "./journal.js";

export interface RemovalOptions {
	readonly journal: Journal;
	readonly settings: HostSettings;
	/** The node's; that of this process where absent. */
	readonly netns: string | undefined;
	/** The agent's. */
	readonly stateDir: string;
	/** Indexes of the interfaces that have programs now. */
	readonly attached: readonly number[];
}

export async function prepareRemoval({
	journal,
	settings,
	netns,
	stateDir,
	attached,
}: RemovalOptions): Promise<void> {
	if (!mayHaveSecrets(journal, stateDir))
		return settings.closeOthers(new Set());
	/* What was opened already would be answered with an ICMP error that shows it. */
	await closeEfPairs(netns);
	const held = (await links(netns))
		.filter(({ ifindex }) => attached.includes(ifindex))
		.map(({ ifname }) => ifname);
	settings.hold(held);
	settings.closeOthers(new Set(held));
}

/** Also after an agent that was killed in the middle of its first sealed state. */
function mayHaveSecrets(journal: Journal, stateDir: string): boolean {
	const state = journal.state();
	return (
		state === undefined ||
		needsEf(state) ||
		existsSync(efFiles(efDirectory(stateDir)).config)
	);
}
