/** Settings below /proc/sys/net, of one namespace. */
import { readFileSync, writeFileSync } from "node:fs";
import { withNetns } from "./enter.js";
import { KernelError } from "./error.js";

/**
 * Sets a sysctl below net, named by its path: `ipv4/conf/eth0/rp_filter` (dots
 * would be ambiguous in interface names).
 */
export function setSysctl(
	key: string,
	value: string | number,
	netns?: string,
): void {
	const path = sysctlPath(key);
	try {
		withNetns(netns, () => writeFileSync(path, String(value)));
	} catch (error) {
		throw sysctlError(`set sysctl net/${key}=${value}`, error);
	}
}

export function getSysctl(key: string, netns?: string): string {
	const path = sysctlPath(key);
	try {
		return withNetns(netns, () => readFileSync(path, "utf8")).trim();
	} catch (error) {
		throw sysctlError(`read sysctl net/${key}`, error);
	}
}

function sysctlPath(key: string): string {
	if (/^[\w.@+-]+(\/[\w.@+-]+)+$/.test(key) && !/(^|\/)\.\.?(\/|$)/.test(key))
		return `/proc/sys/net/${key}`;
	throw new KernelError(
		`sysctl ${JSON.stringify(key)}`,
		"bad name",
		"as ipv4/conf/all/rp_filter",
	);
}

function sysctlError(operation: string, error: unknown): unknown {
	const code = (error as NodeJS.ErrnoException).code;
	if (code === undefined || error instanceof KernelError) return error;
	const fix =
		code === "ENOENT"
			? "does the interface exist, and has the kernel this setting?"
			: "run as root";
	return new KernelError(operation, code, fix, { code });
}
