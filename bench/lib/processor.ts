/** Processor time, as the kernel accounts it. */
import { readFileSync } from "node:fs";

/** Of the fields of /proc/PID/stat behind the name (proc(5)). */
const STAT = { userTicks: 11, systemTicks: 12 };
/** USER_HZ, the same on all machines. */
const TICKS_PER_SECOND = 100;

/** All threads of a process so far, and what the kernel did for them, in seconds. */
export function busySeconds(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const ticks = [STAT.userTicks, STAT.systemTicks].map((at) =>
		Number(fields[at]),
	);
	return ticks.reduce((sum, n) => sum + n, 0) / TICKS_PER_SECOND;
}
