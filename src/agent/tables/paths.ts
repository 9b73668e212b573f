/**
 * Paths and their hops. A path appears after its hops and goes before them, and
 * its hops are given to another path only when no packet can still look at them.
 */

import type { Attachment, PortAttachments } from "../../functions/runtime.js";
import type * as layout from "../../kernel/layout.gen.js";
import {
	AttachKind,
	type Counter,
	HopFlags,
	HopKind,
	PathFlags,
	PortSide,
} from "../../kernel/layout.gen.js";
import { type HopState, type PathState, SI_START } from "../../plan/state.js";
import { parseMac } from "../../wire/address.js";
import { addrOf, NO_ADDR, textOf } from "./encode.js";
import { type EpochMap, nextEpoch } from "./epochs.js";
import { Ranges } from "./ranges.js";
import type { Table } from "./sync.js";

export interface PathMaps {
	readonly paths: Table<number, layout.Path> & { readonly capacity: number };
	readonly hops: Table<number, layout.Hop> & { readonly capacity: number };
	readonly hopCounters: Table<number, Counter>;
	readonly shortcutCounters: Table<number, Counter>;
	readonly epochs: EpochMap;
}

const NONE: Counter = { packets: 0, bytes: 0 };
const NO_MAC = new Uint8Array(6);
const EMPTY: layout.Hop = {
	kind: HopKind.NONE,
	flags: 0,
	port: 0,
	node: 0,
	side: 0,
	ifindex: 0,
	dmac: NO_MAC,
	smac: NO_MAC,
};

/**
 * Where the ports of this node are attached, by port id; null: it could not be
 * made. That of another port stands in where an instance is down.
 */
export type Attachments = ReadonlyMap<number, PortAttachments | null>;

export function pathValue(
	path: PathState,
	firstHop: number,
	policyId: number,
	born: number,
): layout.Path {
	return {
		reverseSpi: path.reverseSpi,
		firstHop,
		policy: policyId,
		born,
		tenant: path.tenantId,
		mtu: path.mtu,
		length: path.length,
		flags:
			PathFlags.PRESENT |
			(path.direction === "reverse" ? PathFlags.REVERSE : 0) |
			(path.hops.some((hop) => hop?.kind === "node" && hop.far)
				? PathFlags.FAR
				: 0) |
			(path.byDscp ? PathFlags.DSCP : 0) |
			(path.closed ? PathFlags.CLOSED : 0) |
			secrecy(path),
		backup: path.backup ?? 0,
	};
}

function secrecy({ hops }: PathState): number {
	if (!hops.some((hop) => hop?.sealed)) return 0;
	const plain = hops.some((hop) => hop?.kind === "node" && !hop.sealed);
	return PathFlags.SEALED | (plain ? PathFlags.PLAIN : 0);
}

const SEALED = { esp: HopFlags.SEALED, mac: HopFlags.SIGNED } as const;

/**
 * Throws where a hop names a port that is not there. One that could not be made
 * has no interface: its service is marked down, which decides before.
 */
export function hopValue(
	hop: HopState | null,
	direction: PathState["direction"],
	attachments: Attachments,
): layout.Hop {
	if (hop === null) return EMPTY;
	const sealed = hop.sealed ? SEALED[hop.sealed] : 0;
	if (hop.kind === "exit")
		return { ...EMPTY, kind: HopKind.EXIT, flags: sealed };
	if (hop.kind === "node")
		return {
			...EMPTY,
			kind: HopKind.NODE,
			flags: sealed | (hop.far ? HopFlags.FAR : 0),
			node: hop.nodeId,
		};
	const port = attachments.get(hop.port);
	const forward = direction === "forward";
	const back = {
		kind: hop.kind === "tap" ? HopKind.TAP : HopKind.PORT,
		port: port?.id ?? hop.port,
		side: hop.kind === "port" && forward ? PortSide.OUTSIDE : PortSide.INSIDE,
	};
	if (port === null)
		return hop.kind === "tap" ? EMPTY : { ...EMPTY, ...back, flags: sealed };
	if (!port)
		throw new Error(
			`port ${hop.port}: is not attached (its instance is missing in the node's state)`,
		);
	const end = "tap" in port ? port.tap : forward ? port.inside : port.outside;
	const attached = link(end);
	return { ...EMPTY, ...attached, ...back, flags: attached.flags | sealed };
}

function link(
	end: Attachment,
): Pick<layout.Hop, "flags" | "ifindex" | "dmac" | "smac"> {
	return {
		flags: end.peer ? HopFlags.PEER : 0,
		ifindex: end.ifindex,
		dmac: new Uint8Array(parseMac(end.functionMac)),
		smac: new Uint8Array(parseMac(end.hostMac)),
	};
}

export class PathTables {
	readonly #maps: PathMaps;
	readonly #quiesce: () => void;
	readonly #ranges: Ranges;
	readonly #placed = new Map<number, layout.Path>();
	/** As they were put; those of former runs are not here yet. */
	readonly #known = new Map<number, PathState>();
	/** Those whose packets take their backups. */
	#failed: ReadonlySet<number>;
	#lastBorn = 0;

	/** `quiesce` returns once no program can still look at a path that went. */
	constructor(maps: PathMaps, quiesce: () => void) {
		this.#maps = maps;
		this.#quiesce = quiesce;
		/* A path never written has its first hop at 0, which leads nowhere. */
		this.#ranges = new Ranges("hops", maps.hops.capacity, 1);
		for (const [spi, path] of maps.paths.entries()) {
			/* Flows outlive paths, whose numbers stay where they were. */
			this.#lastBorn = Math.max(this.#lastBorn, path.born);
			if (!(path.flags & PathFlags.PRESENT)) continue;
			this.#ranges.take(path.firstHop, path.length + 1);
			this.#placed.set(spi, path);
		}
		this.#failed = new Set(
			[...this.#placed]
				.filter(([, { flags }]) => flags & PathFlags.FAILED)
				.map(([spi]) => spi),
		);
	}

	/** SPIs of the paths in the kernel. */
	present(): number[] {
		return [...this.#placed.keys()];
	}

	/**
	 * What has passed each hop a path has here. A packet that took a shortcut has
	 * passed all functions from where it started to the next hop that is none.
	 */
	counters(path: PathState): (Counter & { readonly si: number })[] {
		const placed = this.#placed.get(path.spi);
		if (!placed) return [];
		let past = NONE;
		return path.hops.flatMap((hop, i) => {
			const index = placed.firstHop + i;
			past =
				hop?.kind === "port"
					? sum(past, this.#maps.shortcutCounters.get(index))
					: NONE;
			if (hop === null) return [];
			const counted = sum(past, this.#maps.hopCounters.get(index));
			return [{ si: SI_START - i, ...counted }];
		});
	}

	put(path: PathState, policyId: number, attachments: Attachments): void {
		if (path.spi < 1 || path.spi >= this.#maps.paths.capacity)
			throw new Error(
				`path ${path.spi}: no room for its number (${this.#maps.paths.capacity} paths are possible)`,
			);
		if (path.hops.length !== path.length + 1)
			throw new Error(
				`path ${path.spi}: ${path.hops.length} hops for a length of ${path.length}`,
			);
		const hops = path.hops.map((hop) =>
			hopValue(hop, path.direction, attachments),
		);
		/* Its length is read apart from where its hops are. */
		if (this.#placed.get(path.spi)?.length !== path.length)
			this.remove([path.spi]);
		const old = this.#placed.get(path.spi);
		const firstHop = old?.firstHop ?? this.#ranges.allocate(hops.length);
		const changed = this.#setHops(
			hops.map((hop, i): [number, layout.Hop] => [firstHop + i, hop]),
		);
		if (!old)
			for (const counters of [
				this.#maps.hopCounters,
				this.#maps.shortcutCounters,
			])
				counters.setBatch(hops.map((_, i) => [firstHop + i, NONE]));
		const born = old?.born ?? ++this.#lastBorn;
		const value = this.#detoured(
			pathValue(path, firstHop, policyId, born),
			path,
		);
		/* Values are overwritten bit by bit: it is whole before it is there. */
		if (!old) this.#maps.paths.set(path.spi, absent(value));
		if (!old || textOf(old) !== textOf(value))
			this.#maps.paths.set(path.spi, value);
		this.#placed.set(path.spi, value);
		this.#known.set(path.spi, path);
		if (changed) nextEpoch(this.#maps.epochs);
	}

	/** Leads all paths through these ports to where they are attached now. */
	repoint(ports: ReadonlySet<number>, attachments: Attachments): void {
		const through = [...this.#known.values()].flatMap((path) => {
			const firstHop = this.#placed.get(path.spi)?.firstHop;
			if (firstHop === undefined) return [];
			return path.hops.flatMap((hop, i): [number, layout.Hop][] =>
				hop && "port" in hop && ports.has(hop.port)
					? [[firstHop + i, hopValue(hop, path.direction, attachments)]]
					: [],
			);
		});
		if (this.#setHops(through)) nextEpoch(this.#maps.epochs);
	}

	/** Has packets that enter these paths, and no others, take their backups. */
	detour(failed: ReadonlySet<number>): void {
		this.#failed = failed;
		for (const [spi, path] of this.#known) {
			const old = this.#placed.get(spi);
			if (!old) continue;
			const value = this.#detoured(old, path);
			if (value.flags === old.flags) continue;
			this.#maps.paths.set(spi, value);
			this.#placed.set(spi, value);
		}
	}

	#detoured(value: layout.Path, { spi, backup }: PathState): layout.Path {
		const isFailed = backup !== undefined && this.#failed.has(spi);
		const flags = value.flags & ~PathFlags.FAILED;
		return { ...value, flags: isFailed ? flags | PathFlags.FAILED : flags };
	}

	/** Numbers of the paths that pass a port, in either direction. */
	through(port: number): ReadonlySet<number> {
		return new Set(
			[...this.#known.values()]
				.filter(({ hops }) =>
					hops.some((hop) => hop && "port" in hop && hop.port === port),
				)
				.map(({ spi }) => spi),
		);
	}

	/** Writes those that differ; whether there were any. */
	#setHops(wanted: readonly [number, layout.Hop][]): boolean {
		const changed = wanted.filter(
			([index, hop]) => textOf(this.#maps.hops.get(index)) !== textOf(hop),
		);
		this.#maps.hops.setBatch(changed);
		return changed.length > 0;
	}

	remove(spis: readonly number[]): void {
		const gone = spis.flatMap((spi): [number, layout.Path][] => {
			const path = this.#placed.get(spi);
			return path ? [[spi, path]] : [];
		});
		if (gone.length === 0) return;
		/* A packet that has found it before still walks it to its end. */
		this.#maps.paths.setBatch(
			gone.map(([spi, path]) => [spi, absent(path)] as const),
		);
		this.#quiesce();
		for (const [spi, path] of gone) {
			this.#maps.hops.setBatch(
				Array.from({ length: path.length + 1 }, (_, i) => [
					path.firstHop + i,
					EMPTY,
				]),
			);
			this.#ranges.free(path.firstHop);
			this.#placed.delete(spi);
			this.#known.delete(spi);
		}
	}
}

function sum(a: Counter, b: Counter = NONE): Counter {
	return { packets: a.packets + b.packets, bytes: a.bytes + b.bytes };
}

/** The same path, out of sight. */
function absent(path: layout.Path): layout.Path {
	return { ...path, flags: path.flags & ~PathFlags.PRESENT };
}

/** Entries of the map `ports`: one a host end, by its interface's index. */
export function portEntries(
	port: PortAttachments,
	attach: keyof typeof ATTACH,
	bound: Bound | undefined,
	probe: string | undefined,
): [number, layout.Port][] {
	const base = {
		id: port.id,
		attach: ATTACH[attach],
		boundSpi: 0,
		boundSi: 0,
		probe: NO_ADDR,
	};
	if ("tap" in port)
		return [[port.tap.ifindex, { ...base, side: PortSide.INSIDE }]];
	return [
		[
			port.inside.ifindex,
			{ ...base, side: PortSide.INSIDE, ...boundOf(bound?.inside) },
		],
		[
			port.outside.ifindex,
			{
				...base,
				side: PortSide.OUTSIDE,
				...boundOf(bound?.outside),
				probe: probe ? addrOf(probe) : NO_ADDR,
			},
		],
	];
}

const ATTACH = {
	routed: AttachKind.ROUTED,
	bridged: AttachKind.BRIDGED,
	tap: AttachKind.TAP,
} as const;

interface Place {
	readonly spi: number;
	readonly si: number;
}

/** Which path, at which service index, comes back on each side of a port. */
export interface Bound {
	readonly inside?: Place;
	readonly outside?: Place;
}

function boundOf(place: Place | undefined): {
	boundSpi: number;
	boundSi: number;
} {
	return { boundSpi: place?.spi ?? 0, boundSi: place?.si ?? 0 };
}

/** The pair of paths that a port of a rewriting function is for. */
export function boundPaths(
	port: number,
	boundSpi: number | undefined,
	paths: readonly PathState[],
): Bound | undefined {
	if (boundSpi === undefined) return undefined;
	const placeOn = (path: PathState | undefined): Place | undefined => {
		const i =
			path?.hops.findIndex(
				(hop) => hop?.kind === "port" && hop.port === port,
			) ?? -1;
		return path && i >= 0 ? { spi: path.spi, si: SI_START - i - 1 } : undefined;
	};
	const outside = placeOn(paths.find((path) => path.spi === boundSpi));
	const inside = placeOn(paths.find((path) => path.reverseSpi === boundSpi));
	return { ...(inside && { inside }), ...(outside && { outside }) };
}
