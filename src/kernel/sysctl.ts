/** Settings below /proc/sys/net, of one namespace. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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

/**
 * Values of a setting that every interface has, by interface: `ipv6` and
 * `accept_ra`, for example; of those `wanted`. Interfaces that go meanwhile are
 * left out.
 */
export function interfaceSysctls(
	family: "ipv4" | "ipv6",
	name: string,
	wanted: (dev: string) => boolean,
	netns?: string,
): ReadonlyMap<string, string> {
	const directory = `/proc/sys/net/${family}/conf`;
	const found = new Map<string, string>();
	withNetns(netns, () => {
		/* A kernel without IPv6. */
		if (!existsSync(directory)) return;
		for (const dev of readdirSync(directory)) {
			if (dev === "all" || dev === "default" || !wanted(dev)) continue;
			try {
				const value = readFileSync(`${directory}/${dev}/${name}`, "utf8");
				found.set(dev, value.trim());
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
			}
		}
	});
	return found;
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
