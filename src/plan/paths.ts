/** All path pairs of a plan: identity, numbers, ports, and what each node holds. */
import type { Intent } from "../model/intent.js";
import type { Allocator } from "./allocate.js";
import { type NamedCombination, rewrites, type Served } from "./chains.js";
import type { Combination } from "./combine.js";
import {
	crossings,
	ENCAPSULATION,
	type PathPlan,
	type PathSummary,
	type Stop,
	servers,
	TTL_START,
	viewsOf,
} from "./path.js";
import type { Ports } from "./ports.js";
import type { PathState } from "./state.js";

/** Underlay MTU of a node that declares none, in bytes. */
export const DEFAULT_MTU = 1500;

/** From where to where packets of one rule set go. */
export interface Leg {
	readonly tenant: string;
	readonly tenantId: number;
	readonly side: "access" | "exit";
	readonly ingress: string;
	readonly egress: string;
}

/** The pair that an SPI belongs to, from 1: two SPIs each, forward the first. */
export function pairOf(spi: number): number {
	return (spi + 1) >> 1;
}

/** A path pair as it was laid. */
interface Laid {
	readonly path: PathPlan;
	readonly views: ReadonlyMap<string, readonly PathState[]>;
	readonly summary: PathSummary;
}

/** Laid paths by lane and policy. */
type Lanes = Map<string, Map<string, Laid>>;

/** Paths of the plan before: a path that is still the same is not laid again. */
export class PathCache {
	#fresh: Lanes = new Map();
	#stale: Lanes = new Map();
	#nodes = "";

	/** @param nodes names and numbers of the nodes: hops name them by number */
	begin(nodes: string): void {
		this.#stale = nodes === this.#nodes ? this.#fresh : new Map();
		this.#fresh = new Map();
		this.#nodes = nodes;
	}

	/** What the plan before laid, and where this one notes what it lays. */
	lane(key: string) {
		const before = this.#stale.get(key) ?? new Map<string, Laid>();
		const now = this.#fresh.get(key) ?? new Map<string, Laid>();
		this.#fresh.set(key, now);
		return { before, now };
	}
}

/** One combination on one leg: all of a path but its policy. */
interface Lane {
	readonly key: string;
	readonly leg: Leg;
	readonly functions: Served["functions"];
	readonly members: NamedCombination["members"];
	/** Largest inner packet in bytes. */
	readonly mtu: number;
	/** Every policy has the same ports: no function rewrites. */
	readonly stops: readonly Stop[] | undefined;
	readonly before: ReadonlyMap<string, Laid>;
	readonly now: Map<string, Laid>;
}

export class PathTable {
	readonly #views = new Map<string, PathState[]>();
	readonly #peers = new Map<string, Set<string>>();
	readonly #summaries: PathSummary[] = [];
	readonly #lanes = new Map<Leg, Map<NamedCombination, Lane>>();

	constructor(
		private readonly intent: Intent,
		private readonly pairs: Allocator,
		private readonly ports: Ports,
		private readonly nodeId: (node: string) => number,
		private readonly cache: PathCache,
	) {}

	/**
	 * Slots of a rule: the SPI of each, or the only SPI. Throws where a path
	 * cannot be laid.
	 */
	lay(policy: string, leg: Leg, served: Served): number[] {
		const spis = served.combinations.map((combination) =>
			this.#layOne(policy, this.#lane(leg, served, combination)),
		);
		return spis.length === 1
			? spis
			: served.slots.map((index) => spis[index] ?? 0);
	}

	/** Paths that a node takes part in, in order of SPI. */
	on(node: string): PathState[] {
		return (this.#views.get(node) ?? []).sort((a, b) => a.spi - b.spi);
	}

	peersOf(node: string): string[] {
		return [...(this.#peers.get(node) ?? [])].sort();
	}

	summaries(): PathSummary[] {
		return this.#summaries.sort((a, b) => a.spi - b.spi);
	}

	#layOne(policy: string, lane: Lane): number {
		const reverseSpi = 2 * this.pairs.take(policy, lane.key);
		const spi = reverseSpi - 1;
		const stops = lane.stops ?? this.#stops(lane, policy, spi);
		let laid = lane.before.get(policy);
		if (!laid || !isSame(laid.path, spi, lane.leg.tenantId, stops)) {
			const { leg, mtu } = lane;
			const path = { policy, ...leg, spi, reverseSpi, stops, mtu };
			laid = {
				path,
				views: viewsOf(path, this.nodeId),
				summary: summaryOf(path),
			};
		}
		lane.now.set(policy, laid);
		for (const [node, states] of laid.views) {
			const list = this.#views.get(node) ?? [];
			this.#views.set(node, list);
			list.push(...states);
		}
		this.#summaries.push(laid.summary);
		return spi;
	}

	#stops(
		lane: Pick<Lane, "key" | "leg" | "functions" | "members">,
		policy: string,
		spi: number,
	): Stop[] {
		return lane.functions.flatMap((fn, index): Stop[] => {
			const at = lane.members[index];
			const path = {
				tenant: lane.leg.tenant,
				key: `${policy} ${lane.key}`,
				spi,
			};
			return at
				? [
						{
							...at,
							attach: fn.spec.attach,
							port: this.ports.forPath(at, fn, path),
						},
					]
				: [];
		});
	}

	/** Found once for all policies. Throws where the way cannot be gone. */
	#lane(leg: Leg, served: Served, combination: NamedCombination): Lane {
		const lanes = this.#lanes.get(leg) ?? new Map<NamedCombination, Lane>();
		this.#lanes.set(leg, lanes);
		const known = lanes.get(combination);
		if (known) {
			return known;
		}
		const { members, name } = combination;
		const { functions } = served;
		const crossed = crossings(leg.ingress, members, leg.egress);
		const mtu = this.#mtu(leg, members, crossed);
		const { tenant, side, ingress, egress } = leg;
		const key = `${tenant} ${side} ${ingress} > ${name} > ${egress} ${mtu}`;
		const some = { key, leg, functions, members };
		const lane = {
			...some,
			mtu,
			stops: functions.some(rewrites) ? undefined : this.#stops(some, "", 0),
			...this.cache.lane(key),
		};
		/* A flow may come to go past the nodes between. */
		const way = new Set(crossed.flat());
		for (const from of way)
			for (const to of way) if (from !== to) this.#meet(from, to);
		lanes.set(combination, lane);
		return lane;
	}

	#meet(node: string, other: string): void {
		const peers = this.#peers.get(node) ?? new Set();
		this.#peers.set(node, peers.add(other));
	}

	/** Largest inner packet. Throws where the way cannot be gone. */
	#mtu(
		leg: Leg,
		members: Combination["members"],
		crossed: readonly (readonly [string, string])[],
	): number {
		/* Each function, each crossing and the exit is one decision of a forwarder. */
		if (members.length + 1 + crossed.length >= TTL_START) {
			throw new Error(
				`${members.length} functions and ${crossed.length} changes of node are more than an NSH header's TTL of ${TTL_START} lasts (use a shorter chain, or instances nearer to each other)`,
			);
		}
		for (const node of new Set(crossed.flat())) {
			if (this.intent.nodes.get(node)?.spec.underlay === undefined) {
				throw new Error(
					`node ${node} has no underlay address, but a path to or from it needs one (declare spec.underlay)`,
				);
			}
		}
		const mtuOf = (node: string) =>
			this.intent.nodes.get(node)?.spec.mtu ?? DEFAULT_MTU;
		const nodes = [leg.ingress, ...servers(members, leg.egress)];
		const crossing = new Set(crossed.flat());
		return Math.min(
			...nodes.map(
				(node) => mtuOf(node) - (crossing.has(node) ? ENCAPSULATION : 0),
			),
		);
	}
}

function isSame(
	path: PathPlan,
	spi: number,
	tenantId: number,
	stops: readonly Stop[],
): boolean {
	return (
		path.spi === spi &&
		path.tenantId === tenantId &&
		(path.stops === stops ||
			stops.every(({ port }, index) => port === path.stops[index]?.port))
	);
}

function summaryOf({ tenantId: _, ...path }: PathPlan): PathSummary {
	return {
		...path,
		stops: path.stops.map(({ function: name, instance, node, port }) => ({
			function: name,
			instance,
			node,
			port,
		})),
	};
}
