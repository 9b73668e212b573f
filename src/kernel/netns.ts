/** Network namespaces by name: made, listed, removed as `ip netns` does it. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { NETNS_DIRECTORY, netnsName, netnsPath } from "./enter.js";
import { run } from "./process.js";

export {
	ifindexOf,
	interfaceName,
	netnsName,
	netnsPath,
	withNetns,
} from "./enter.js";

export function netnsExists(name: string): boolean {
	return existsSync(netnsPath(name));
}

/** Names of all namespaces under /run/netns. */
export function listNetns(): string[] {
	return existsSync(NETNS_DIRECTORY) ? readdirSync(NETNS_DIRECTORY) : [];
}

/** Makes a namespace, if there is none of this name, with its loopback up. */
export async function ensureNetns(name: string): Promise<void> {
	if (!netnsExists(name)) await run(["ip", "netns", "add", netnsName(name)]);
	await run(["ip", "link", "set", "lo", "up"], { netns: name });
}

/** Removes a namespace, if there is one; it goes when its last process does. */
export async function deleteNetns(name: string): Promise<void> {
	if (netnsExists(name)) await run(["ip", "netns", "del", netnsName(name)]);
}

/** Processes whose namespace it is, as far as we may look at them. */
export function netnsPids(name: string): number[] {
	const { ino, dev } = statSync(netnsPath(name));
	return readdirSync("/proc")
		.filter((entry) => /^\d+$/.test(entry) && isIn(entry, ino, dev))
		.map(Number);
}

function isIn(pid: string, ino: number, dev: number): boolean {
	try {
		const at = statSync(`/proc/${pid}/ns/net`);
		return at.ino === ino && at.dev === dev;
	} catch {
		/* It ended meanwhile, or is a zombie. */
		return false;
	}
}
