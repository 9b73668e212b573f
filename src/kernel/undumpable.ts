/**
 * Keeps what a process has in its memory out of core dumps, and from debuggers of
 * its user: for those that hold keys. Whoever has CAP_SYS_PTRACE still looks in.
 */
import * as koffi from "koffi";
import { systemError } from "./error.js";

/* <sys/prctl.h>, <sys/resource.h> */
const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;

const libc = koffi.load(null);
const prctl: (option: number, value: number) => number = libc.func(
	"int prctl(int option, unsigned long value)",
);
const setrlimit: (resource: number, limit: BigUint64Array) => number =
	libc.func("int setrlimit(int resource, const uint64_t *limit)");

/** Of all its threads. What it starts inherits the limit alone. */
export function makeUndumpable(): void {
	if (prctl(PR_SET_DUMPABLE, 0) !== 0)
		throw systemError("prctl PR_SET_DUMPABLE", koffi.errno());
	if (setrlimit(RLIMIT_CORE, new BigUint64Array(2)) !== 0)
		throw systemError("setrlimit RLIMIT_CORE", koffi.errno());
}
