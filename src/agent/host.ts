/**
 * What the data plane needs of the node itself: forwarding on, reverse-path
 * filters off, router advertisements heard all the same. Values before are kept and come back when the node is purged.
 */
import { networkInterfaces } from "node:os";
import { portOfHostEnd } from "../functions/names.js";
import { withNetns } from "../kernel/netns.js";
import { getSysctl, interfaceSysctls, setSysctl } from "../kernel/sysctl.js";
import type { InterfaceState } from "../plan/state.js";
import type { Journal } from "./journal.js";

/**
 * Settings below /proc/sys/net. The filters would drop what arrives from a
 * function or the underlay, where the kernel's routing expects nobody.
 */
export function hostSettings(
	interfaces: readonly InterfaceState[],
): Readonly<Record<string, string>> {
	const settings: Record<string, string> = {
		"ipv4/ip_forward": "1",
		"ipv6/conf/all/forwarding": "1",
		"ipv4/conf/all/rp_filter": "0",
		"ipv4/conf/default/rp_filter": "0",
	};
	for (const { name } of interfaces)
		settings[`ipv4/conf/${name}/rp_filter`] = "0";
	return settings;
}

const FORWARDING6 = "ipv6/conf/all/forwarding";
const ACCEPT = "1";
/** Also where the node forwards. */
const ACCEPT_ALWAYS = "2";

/**
 * A node that forwards no longer listens to router advertisements, and loses the
 * default route it has of them: where the agent turns forwarding on, interfaces
 * that listened go on listening.
 */
function advertisementSettings(
	journal: Journal,
	netns: string | undefined,
): Readonly<Record<string, string>> {
	const before =
		journal.settings()[FORWARDING6] ?? getSysctl(FORWARDING6, netns);
	if (before !== "0") return {};
	const listening = [...interfaceSysctls("ipv6", "accept_ra", netns)].filter(
		([dev, value]) =>
			value === ACCEPT && dev !== "lo" && portOfHostEnd(dev) === undefined,
	);
	return Object.fromEntries(
		listening.map(([dev]) => [`ipv6/conf/${dev}/accept_ra`, ACCEPT_ALWAYS]),
	);
}

/** Sets what differs and remembers what was there. */
export function applyHostSettings(
	interfaces: readonly InterfaceState[],
	journal: Journal,
	netns: string | undefined,
): void {
	const before = { ...journal.settings() };
	const changes: [string, string][] = [];
	/* Before forwarding, which would take the route at once. */
	const wanted = {
		...advertisementSettings(journal, netns),
		...hostSettings(interfaces),
	};
	for (const [key, value] of Object.entries(wanted)) {
		const present = getSysctl(key, netns);
		if (present === value) continue;
		before[key] ??= present;
		changes.push([key, value]);
	}
	if (changes.length === 0) return;
	/* Remembered first: a crash in between must not lose the old values. */
	journal.writeSettings(before);
	for (const [key, value] of changes) setSysctl(key, value, netns);
}

/** Puts the values back that were there before; interfaces may be gone. */
export function restoreHostSettings(
	journal: Journal,
	netns: string | undefined,
): void {
	/* Backwards: ip_forward resets the settings that came after it. */
	for (const [key, value] of Object.entries(journal.settings()).reverse())
		try {
			setSysctl(key, value, netns);
		} catch (error) {
			if ((error as { code?: string }).code !== "ENOENT") throw error;
		}
}

/** The node's own addresses, in text form without zones. */
export function localAddresses(netns: string | undefined): string[] {
	const interfaces = withNetns<ReturnType<typeof networkInterfaces>>(
		netns,
		() => networkInterfaces(),
	);
	const found = Object.values(interfaces).flatMap((one) => one ?? []);
	return [
		...new Set(found.map(({ address }) => address.split("%")[0] ?? address)),
	].sort();
}
