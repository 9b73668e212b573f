/**
 * One path pair: what each node on its way holds of it. Function i of the
 * forward direction is function length-1-i of the reverse one.
 */
import type { Candidate } from "./combine.js";
import type { HopState, PathState, Seal } from "./state.js";

/** Functions on one path: MAX_HOPS in bpf/maps.h. */
export const MAX_FUNCTIONS = 32;

/** RFC 8300 §2.2: TTL of a fresh header; each forwarder takes one. */
export const TTL_START = 63;

/** A function on the path, with its port there. */
export interface Stop extends Candidate {
	readonly attach: "routed" | "bridged" | "tap";
	readonly port: number;
}

/** A path pair for people. */
export interface PathSummary {
	readonly spi: number;
	readonly reverseSpi: number;
	readonly policy: string;
	readonly tenant: string;
	readonly side: "access" | "exit";
	readonly ingress: string;
	readonly egress: string;
	readonly stops: readonly {
		readonly function: string;
		readonly instance: string;
		readonly node: string;
		readonly port: number;
	}[];
	/** Largest inner IP packet in bytes. */
	readonly mtu: number;
	/** Set where keys depend on it. */
	readonly flowClass?: string;
	/** Path that stands in while this one's way is broken. */
	readonly backup?: number;
}

export interface PathPlan {
	readonly spi: number;
	readonly reverseSpi: number;
	readonly policy: string;
	readonly tenant: string;
	readonly tenantId: number;
	/** Interfaces it begins at: the tenant's own, or the exit's. */
	readonly side: "access" | "exit";
	readonly ingress: string;
	readonly egress: string;
	readonly stops: readonly Stop[];
	/** Of each crossing, in forward order; undefined: it is not sealed. */
	readonly seals: readonly (Seal | undefined)[];
	readonly mtu: number;
	/** Set where keys depend on it. */
	readonly flowClass?: string;
	/** Forward SPI of its backup; the way back has the one above. */
	readonly backup?: number;
}

/** Nodes that serve service index SI_START - i, the exit last. */
export function servers(
	stops: readonly { readonly node: string }[],
	egress: string,
): string[] {
	return [...stops.map((stop) => stop.node), egress];
}

/** [from, to] of each time the packet goes from node to node. */
export function crossings(
	ingress: string,
	stops: readonly { readonly node: string }[],
	egress: string,
): (readonly [string, string])[] {
	const way = [ingress, ...servers(stops, egress)];
	return way.flatMap((to, index) => {
		const from = way[index - 1];
		return from === undefined || from === to ? [] : [[from, to] as const];
	});
}

/** Both directions as each node that takes part sees them. */
export function viewsOf(
	path: PathPlan,
	nodeId: (node: string) => number,
): Map<string, PathState[]> {
	const views = new Map<string, PathState[]>();
	const add = (direction: "forward" | "reverse") => {
		const forward = direction === "forward";
		const stops = forward ? path.stops : path.stops.toReversed();
		const seals = forward ? path.seals : path.seals.toReversed();
		const backup = path.backup && path.backup + (forward ? 0 : 1);
		const [from, to] = forward
			? [path.ingress, path.egress]
			: [path.egress, path.ingress];
		for (const [node, hops] of hopsOf({ from, stops, to, seals }, nodeId)) {
			const list = views.get(node) ?? [];
			views.set(node, list);
			list.push({
				spi: forward ? path.spi : path.reverseSpi,
				reverseSpi: forward ? path.reverseSpi : path.spi,
				direction,
				tenantId: path.tenantId,
				policy: path.policy,
				...(path.flowClass !== undefined && { flowClass: path.flowClass }),
				length: stops.length,
				mtu: path.mtu,
				active: true,
				...(backup !== undefined && node === from && { backup }),
				...(path.seals.some(Boolean) &&
					node === from && { relies: others(path, node).map(nodeId) }),
				hops,
			});
		}
	};
	add("forward");
	add("reverse");
	return views;
}

/** Nodes on a path, but for this one. */
function others({ ingress, stops, egress }: PathPlan, node: string): string[] {
	const all = new Set([ingress, ...servers(stops, egress)]);
	all.delete(node);
	return [...all];
}

/** A path in one direction. */
interface Direction {
	readonly from: string;
	readonly stops: readonly Stop[];
	readonly to: string;
	/** Of each crossing, in this direction's order. */
	readonly seals: PathPlan["seals"];
}

function hopsOf(
	{ from, stops, to, seals }: Direction,
	nodeId: (node: string) => number,
): Map<string, (HopState | null)[]> {
	const length = stops.length;
	const views = new Map<string, (HopState | null)[]>();
	const set = (node: string, index: number, hop: HopState) => {
		const hops = views.get(node) ?? Array<HopState | null>(length + 1);
		if (!views.has(node)) {
			views.set(node, hops.fill(null));
		}
		hops[index] = hop;
	};
	/* What is sealed for a node is opened there: nothing goes past it. */
	const mayPass = seals.every((seal) => seal === undefined);
	let before = from;
	let crossed = 0;
	const way = servers(stops, to);
	for (const [index, node] of way.entries()) {
		const isCrossing = before !== node;
		const seal = isCrossing ? seals[crossed++] : undefined;
		const sealed = seal && { sealed: seal };
		if (isCrossing) {
			const far = mayPass && way.slice(index).some((other) => other !== node);
			set(before, index, {
				kind: "node",
				nodeId: nodeId(node),
				...(far && { far }),
				...sealed,
			});
		}
		const stop = stops[index];
		set(
			node,
			index,
			stop === undefined
				? { kind: "exit", ...sealed }
				: {
						kind: stop.attach === "tap" ? "tap" : "port",
						port: stop.port,
						...sealed,
					},
		);
		before = node;
	}
	return views;
}
