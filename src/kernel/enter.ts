/**
 * Enters a network namespace: the calling thread does, for the length of a
 * synchronous function; what is spawned or opened meanwhile stays in it. Unlike
 * `ip netns exec` this keeps bpffs in view. Names are checked here, too.
 */
import { closeSync, existsSync, openSync } from "node:fs";
import * as koffi from "koffi";
import {
	INTERFACE_NAME,
	INTERFACE_NAME_RULE,
} from "../model/interface-name.js";
import { KernelError, systemError } from "./error.js";

/** Where `ip netns` keeps them. */
export const NETNS_DIRECTORY = "/run/netns";
const CLONE_NEWNET = 0x40000000;
const INTERFACE = new RegExp(INTERFACE_NAME);

const libc = koffi.load(null);
const setns: (fd: number, type: number) => number = libc.func(
	"int setns(int fd, int type)",
);
const nameToIndex: (name: string) => number = libc.func(
	"unsigned int if_nametoindex(const char *name)",
);

/** The name itself; throws where it could mean a path or an option. */
export function netnsName(name: string): string {
	if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(name)) return name;
	throw new KernelError(
		`namespace ${JSON.stringify(name)}`,
		"bad name",
		"letters, digits, '.', '_' and '-', at most 100, no '-' or '.' in front",
	);
}

export function netnsPath(name: string): string {
	return `${NETNS_DIRECTORY}/${netnsName(name)}`;
}

/** The name itself; throws for one that could not be declared either. */
export function interfaceName(name: string): string {
	if (INTERFACE.test(name)) return name;
	throw new KernelError(
		`interface ${JSON.stringify(name)}`,
		"bad name",
		INTERFACE_NAME_RULE,
	);
}

/**
 * Runs `work` inside a namespace, or where the process is if `netns` is
 * undefined. `work` must be synchronous: behind an await it would be outside.
 */
export function withNetns<T>(
	netns: string | undefined,
	work: () => T extends PromiseLike<unknown> ? never : T,
): T {
	if (netns === undefined) return work();
	const home = openSync("/proc/thread-self/ns/net", "r");
	try {
		enter(netns);
		try {
			return work();
		} finally {
			/* Going on in a foreign namespace would harm it: nothing is worse. */
			if (setns(home, CLONE_NEWNET) !== 0) process.abort();
		}
	} finally {
		closeSync(home);
	}
}

function enter(netns: string): void {
	const path = netnsPath(netns);
	if (!existsSync(path))
		throw new KernelError(
			`enter namespace ${netns}`,
			"no such namespace",
			"ip netns list",
		);
	const fd = openSync(path, "r");
	try {
		if (setns(fd, CLONE_NEWNET) !== 0)
			throw systemError(
				`enter namespace ${netns}`,
				koffi.errno(),
				"run as root; a stale file lies in /run/netns?",
			);
	} finally {
		closeSync(fd);
	}
}

/** Index of an interface; undefined where there is none of this name. */
export function ifindexOf(name: string, netns?: string): number | undefined {
	return withNetns(netns, () => nameToIndex(interfaceName(name))) || undefined;
}
