/**
 * What the data plane needs of the node's interfaces: forwarding on, the
 * reverse-path filter off where it would harm, router advertisements heard all
 * the same. Values before are kept and come back.
 */
import { networkInterfaces } from "node:os";
import { portOfHostEnd } from "../functions/names.js";
import { withNetns } from "../kernel/netns.js";
import { getSysctl, interfaceSysctls, setSysctl } from "../kernel/sysctl.js";
import type { Journal } from "./journal.js";

type Setting = readonly [key: string, value: string];

export interface Needs {
	readonly name: string;
	/**
	 * Packets for the node itself arrive here whose source the kernel expects
	 * elsewhere: out of a chain that ends here.
	 */
	readonly unfiltered: boolean;
}

const ACCEPT = "1";
/** Also where the interface forwards. */
const ACCEPT_ALWAYS = "2";
const FILTER_ALL = "ipv4/conf/all/rp_filter";
const FILTER_DEFAULT = "ipv4/conf/default/rp_filter";
const FORWARDING = /^ipv[46]\/conf\/(.+)\/forwarding$/;

export class HostSettings {
	readonly #journal: Journal;
	readonly #netns: string | undefined;

	/** `netns`: the node's; that of this process where absent. */
	constructor(journal: Journal, netns: string | undefined) {
		this.#journal = journal;
		this.#netns = netns;
	}

	/**
	 * Call it once the program is attached: bpf_fib_lookup() asks whether the
	 * interface forwards, and with that the kernel itself would forward what no
	 * program has judged. The host's global switches stay as they are.
	 */
	open(interfaces: readonly Needs[]): void {
		const forwarding = this.#differing(
			interfaces.flatMap(({ name }): Setting[] => [
				[`ipv4/conf/${name}/forwarding`, "1"],
				[`ipv6/conf/${name}/forwarding`, "1"],
			]),
		);
		const unfiltered = this.#differing(
			interfaces
				.filter((one) => one.unfiltered)
				.map(({ name }) => [`ipv4/conf/${name}/rp_filter`, "0"]),
		);
		this.#set([
			...(forwarding.length > 0 ? this.#advertisements() : []),
			...this.#handedFilters(
				new Set(
					interfaces.filter((one) => one.unfiltered).map(({ name }) => name),
				),
			),
			...unfiltered,
			...forwarding,
		]);
	}

	/** Whether packets that arrive here are forwarded. */
	forwards(name: string): boolean {
		return (["ipv4", "ipv6"] as const).some(
			(family) => this.#value(`${family}/conf/${name}/forwarding`) === "1",
		);
	}

	/** Before programs leave interfaces that get them back: none forwards meanwhile. */
	hold(names: readonly string[]): void {
		this.#set(
			this.#differing(
				names.flatMap((name): Setting[] => [
					[`ipv4/conf/${name}/forwarding`, "0"],
					[`ipv6/conf/${name}/forwarding`, "0"],
				]),
			),
		);
	}

	/** Before programs leave interfaces: all but these forward as they did before. */
	closeOthers(keep: ReadonlySet<string>): void {
		const ends = interfaceSysctls(
			"ipv4",
			"forwarding",
			(dev) => portOfHostEnd(dev) !== undefined && !keep.has(dev),
			this.#netns,
		);
		for (const dev of ends.keys())
			for (const family of ["ipv4", "ipv6"])
				this.#put(`${family}/conf/${dev}/forwarding`, "0");
		const settings = this.#journal.settings();
		const gone = Object.entries(settings).filter(([key]) => {
			const name = FORWARDING.exec(key)?.[1];
			return name !== undefined && !keep.has(name);
		});
		if (gone.length === 0) return;
		for (const [key, value] of gone) this.#put(key, value);
		const left = new Set(gone.map(([key]) => key));
		this.#journal.writeSettings(
			Object.fromEntries(
				Object.entries(settings).filter(([key]) => !left.has(key)),
			),
		);
	}

	/** Puts every value back that was there before; interfaces may be gone. */
	restore(): void {
		/* Backwards: forwarding, where it goes on, ends the hearing of routers. */
		for (const [key, value] of Object.entries(
			this.#journal.settings(),
		).reverse())
			this.#put(key, value);
	}

	/**
	 * An interface that forwards no longer hears router advertisements, and the
	 * first one to forward takes away every default route that the node has of
	 * them: those that listen go on listening.
	 */
	#advertisements(): Setting[] {
		const own = (dev: string) =>
			dev !== "lo" && portOfHostEnd(dev) === undefined;
		const forwards = interfaceSysctls("ipv6", "forwarding", own, this.#netns);
		return [...interfaceSysctls("ipv6", "accept_ra", own, this.#netns)]
			.filter(([dev, value]) => value === ACCEPT && forwards.get(dev) === "0")
			.map(([dev]) => [`ipv6/conf/${dev}/accept_ra`, ACCEPT_ALWAYS]);
	}

	/**
	 * In force is the larger value of `all` and the interface: what `all` asks for
	 * is handed to each interface, so that nobody but ours loses the filter.
	 */
	#handedFilters(ours: ReadonlySet<string>): Setting[] {
		const all = getSysctl(FILTER_ALL, this.#netns);
		if (all === "0" || ours.size === 0) return [];
		/* The default first: it is copied to whatever has no value of its own. */
		const present = [
			["default", getSysctl(FILTER_DEFAULT, this.#netns)] as const,
			...interfaceSysctls("ipv4", "rp_filter", () => true, this.#netns),
		];
		return [
			...present.flatMap(([dev, value]): Setting[] => {
				const key = `ipv4/conf/${dev}/rp_filter`;
				if (ours.has(dev) || portOfHostEnd(dev) !== undefined)
					return [[key, "0"]];
				return Number(value) < Number(all) ? [[key, all]] : [];
			}),
			[FILTER_ALL, "0"],
		];
	}

	/** Without settings that are not there: of IPv6, for example. */
	#differing(wanted: readonly Setting[]): Setting[] {
		return wanted.filter(([key, value]) => {
			const present = this.#value(key);
			return present !== undefined && present !== value;
		});
	}

	/** Remembers what was there; the host ends of ports are ours and go with them. */
	#set(changes: readonly Setting[]): void {
		const before = { ...this.#journal.settings() };
		const known = Object.keys(before).length;
		for (const [key] of changes) {
			const present = this.#value(key);
			if (present === undefined || before[key] !== undefined) continue;
			if (portOfHostEnd(key.split("/")[2] ?? "") !== undefined) continue;
			before[key] = present;
		}
		/* Remembered first: a crash in between must not lose the old values. */
		if (Object.keys(before).length > known) this.#journal.writeSettings(before);
		for (const [key, value] of changes) this.#put(key, value);
	}

	#value(key: string): string | undefined {
		return ifThere(() => getSysctl(key, this.#netns));
	}

	#put(key: string, value: string): void {
		ifThere(() => setSysctl(key, value, this.#netns));
	}
}

/** An interface may go at any time, and its settings with it. */
function ifThere<T>(use: () => T): T | undefined {
	try {
		return use();
	} catch (error) {
		if ((error as { code?: string }).code !== "ENOENT") throw error;
		return undefined;
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
