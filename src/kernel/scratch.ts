/** A namespace without a name, for trying things: nothing of it can stay behind. */
import { closeSync, openSync } from "node:fs";
import * as koffi from "koffi";
import { systemError } from "./error.js";

const CLONE_NEWNET = 0x40000000;

const libc = koffi.load(null);
const unshare: (flags: number) => number = libc.func("int unshare(int flags)");
const setns: (fd: number, type: number) => number = libc.func(
	"int setns(int fd, int type)",
);

/** Runs synchronous `work` in a new network namespace, which ends with it. */
export function inScratchNetns<T>(
	work: () => T extends PromiseLike<unknown> ? never : T,
): T {
	const home = openSync("/proc/thread-self/ns/net", "r");
	try {
		if (unshare(CLONE_NEWNET) !== 0)
			throw systemError("make a namespace", koffi.errno(), "run as root");
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
