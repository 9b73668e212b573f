/**
 * Breaks a function that runs on a node of a fleet, as operators see functions
 * break. What was broken is mended by what is returned, where it can be.
 */
import { namespaceName } from "../src/functions/names.js";
import { netnsPids } from "../src/kernel/netns.js";
import { prefixOf } from "./fleet.js";
import type { Lab } from "./lab.js";
import { must } from "./process.js";

export interface Where {
	readonly node: string;
	readonly function: string;
	readonly instance: string;
}

/** Namespace of a function's instance of a lab's Fleet. */
export function namespaceOf(lab: Lab, { node, ...name }: Where): string {
	return namespaceName(prefixOf(lab), node, name);
}

const CUT = "lab_cut";

/** Between two packets it lets nothing pass any more (routed ones only). */
export async function cut(
	lab: Lab,
	where: Where,
): Promise<() => Promise<void>> {
	await nft(
		lab,
		where,
		`table inet ${CUT} { chain none { type filter hook prerouting priority -400; policy drop; }\n}`,
	);
	return () => nft(lab, where, `delete table inet ${CUT}`);
}

/** Its inside goes down. Only its agent, or somebody who knows its routes, mends it. */
export async function unplug(lab: Lab, where: Where): Promise<void> {
	const netns = namespaceOf(lab, where);
	await must(["ip", "-n", netns, "link", "set", "dev", "inside", "down"]);
}

/** Ends its program, which its agent starts again. Throws where none runs. */
export function killProgram(lab: Lab, where: Where): void {
	const pids = netnsPids(namespaceOf(lab, where));
	if (pids.length === 0)
		throw new Error(
			`kill ${where.function}/${where.instance}: no program runs in it`,
		);
	for (const pid of pids) process.kill(pid, "SIGKILL");
}

async function nft(lab: Lab, where: Where, rules: string): Promise<void> {
	const enter = ["nsenter", `--net=/run/netns/${namespaceOf(lab, where)}`];
	await must([...enter, "nft", "-f", "-"], { input: rules });
}
