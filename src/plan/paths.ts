/** All path pairs of a plan: identity, numbers, ports, and what each node holds. */
import { type Encryption, isSealing } from "../model/encryption.js";
import type { Intent } from "../model/intent.js";
import type { Allocator } from "./allocate.js";
import { type NamedCombination, rewrites, type Served } from "./chains.js";
import type { Combination } from "./combine.js";
import {
	crossings,
	type PathPlan,
	type PathSummary,
	type Stop,
	servers,
	TTL_START,
	viewsOf,
} from "./path.js";
import type { Ports } from "./ports.js";
import { byNumber, largestInner, sealOf, termsOf } from "./sealing.js";
import {
	type LinkState,
	type PathState,
	type Seal,
	SI_START,
} from "./state.js";

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

/** What a path is for: packets of a policy that are encrypted alike. */
export interface Purpose {
	readonly policy: string;
	readonly flowClass: string;
	readonly encryption: Encryption;
	/** Of the tenant: a path that shows packets to anybody holds under these alone. */
	readonly terms: string;
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

/** Laid paths by lane and flow class. */
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

/** One combination on one leg, sealed in one way: all of a path but its purpose. */
interface Lane {
	readonly key: string;
	readonly leg: Leg;
	readonly functions: Served["functions"];
	readonly members: NamedCombination["members"];
	/** Of each crossing, in order. */
	readonly seals: readonly (Seal | undefined)[];
	readonly isSealed: boolean;
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
	readonly #lanes = new Map<Leg, Map<NamedCombination, Map<string, Lane>>>();
	readonly #links = new Map<string, LinkState[]>();

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
	lay(
		purpose: Purpose,
		leg: Leg,
		served: Served,
		backupOf?: (of: NamedCombination) => NamedCombination | undefined,
	): number[] {
		const { combinations, slots } = served;
		const lanes = combinations.map((one) =>
			this.#lane(purpose, leg, served, one),
		);
		const spis = backupOf
			? this.#layWithBackups(
					purpose,
					lanes,
					combinations.map((one) => {
						const other = backupOf(one);
						return other && this.#lane(purpose, leg, served, other);
					}),
				)
			: lanes.map((lane) => this.#layOne(purpose, lane));
		return spis.length === 1 ? spis : slots.map((index) => spis[index] ?? 0);
	}

	#layWithBackups(
		purpose: Purpose,
		lanes: readonly Lane[],
		backups: readonly (Lane | undefined)[],
	): number[] {
		/* Those that serve have the smaller numbers. */
		for (const lane of lanes) this.#spiOf(purpose, lane);
		const spis = lanes.map((lane, index) => {
			const backup = backups[index];
			return this.#layOne(
				purpose,
				lane,
				backup && this.#spiOf(purpose, backup),
			);
		});
		/* What serves itself, too, is there by now. */
		for (const backup of backups)
			if (backup && !backup.now.has(purpose.flowClass))
				this.#layOne(purpose, backup);
		return spis;
	}

	/** Paths that a node takes part in, in order of SPI. */
	on(node: string): PathState[] {
		return (this.#views.get(node) ?? []).sort((a, b) => a.spi - b.spi);
	}

	/** Sealed hops that begin at a node. */
	linksOf(node: string): LinkState[] {
		return byNumber(this.#links.get(node) ?? []);
	}

	peersOf(node: string): string[] {
		return [...(this.#peers.get(node) ?? [])].sort();
	}

	summaries(): PathSummary[] {
		return this.#summaries.sort((a, b) => a.spi - b.spi);
	}

	/** Of the forward direction; the way back has the one above. */
	#spiOf(purpose: Purpose, lane: Lane): number {
		return 2 * this.pairs.take(nameOf(purpose, lane), lane.key) - 1;
	}

	#layOne(purpose: Purpose, lane: Lane, backup?: number): number {
		const { policy, flowClass, encryption } = purpose;
		const spi = this.#spiOf(purpose, lane);
		const name = nameOf(purpose, lane);
		const stops = lane.stops ?? this.#stops(lane, name, spi);
		let laid = lane.before.get(name);
		if (!laid || !isSame(laid.path, spi, lane.leg.tenantId, stops, backup)) {
			const { leg, mtu, seals, isSealed } = lane;
			const isKeyed = flowClass !== policy || isSealed;
			const path = {
				policy,
				...(isKeyed && { flowClass }),
				...leg,
				spi,
				reverseSpi: spi + 1,
				...(backup !== undefined && { backup }),
				stops,
				seals,
				mtu,
			};
			laid = {
				path,
				views: viewsOf(path, this.nodeId),
				summary: summaryOf(path),
			};
		}
		lane.now.set(name, laid);
		for (const [node, states] of laid.views) {
			const list = this.#views.get(node) ?? [];
			this.#views.set(node, list);
			list.push(...states);
			if (lane.isSealed)
				for (const state of states) this.#link(node, state, encryption);
		}
		this.#summaries.push(laid.summary);
		return spi;
	}

	/** Each sealed hop of a path that begins here needs keys. */
	#link(node: string, path: PathState, encryption: Encryption): void {
		const { spi, flowClass = path.policy } = path;
		for (const [index, hop] of path.hops.entries()) {
			if (hop?.kind !== "node" || !hop.sealed) continue;
			const links = this.#links.get(node) ?? [];
			this.#links.set(node, links);
			links.push({
				spi,
				si: SI_START - index,
				nodeId: hop.nodeId,
				flowClass,
				...termsOf(hop.sealed, encryption),
			});
		}
	}

	#stops(
		lane: Pick<Lane, "key" | "leg" | "functions" | "members">,
		name: string,
		spi: number,
	): Stop[] {
		return lane.functions.flatMap((fn, index): Stop[] => {
			const at = lane.members[index];
			const path = {
				tenant: lane.leg.tenant,
				key: `${name} ${lane.key}`,
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

	/** Found once for all alike. Throws where the way cannot be gone. */
	#lane(
		{ encryption }: Purpose,
		leg: Leg,
		served: Served,
		combination: NamedCombination,
	): Lane {
		const ofLeg =
			this.#lanes.get(leg) ?? new Map<NamedCombination, Map<string, Lane>>();
		this.#lanes.set(leg, ofLeg);
		const lanes = ofLeg.get(combination) ?? new Map<string, Lane>();
		ofLeg.set(combination, lanes);
		const { when, integrity } = encryption;
		const kind = isSealing(encryption) ? `${when} ${integrity === "off"}` : "";
		const known = lanes.get(kind);
		if (known) {
			return known;
		}
		const { members, name } = combination;
		const { functions } = served;
		const crossed = this.#crossed(leg, members, encryption);
		const seals = crossed.map(({ seal }) => seal);
		const mtu = this.#mtu(leg, members, crossed);
		const { tenant, side, ingress, egress } = leg;
		const isSealed = seals.some((seal) => seal !== undefined);
		const sealed = isSealed ? ` ${seals.map((seal) => seal ?? "-")}` : "";
		const key = `${tenant} ${side} ${ingress} > ${name} > ${egress} ${mtu}${sealed}`;
		const some = { key, leg, functions, members, seals, isSealed };
		const lane = {
			...some,
			mtu,
			stops: functions.some(rewrites) ? undefined : this.#stops(some, "", 0),
			...this.cache.lane(key),
		};
		for (const { from, to } of crossed) this.#meet(from, to);
		/* A flow may come to go past the nodes between, where nothing is sealed. */
		const way = new Set(
			isSealed ? [] : crossed.flatMap(({ from, to }) => [from, to]),
		);
		for (const from of way) for (const to of way) this.#meet(from, to);
		lanes.set(kind, lane);
		return lane;
	}

	#crossed(
		{ ingress, egress }: Leg,
		members: Combination["members"],
		encryption: Encryption,
	): Crossed[] {
		const { nodes } = this.intent;
		const isPlain = !isSealing(encryption);
		return crossings(ingress, members, egress).map(([from, to]) => ({
			from,
			to,
			seal: isPlain
				? undefined
				: sealOf(encryption, nodes.get(from), nodes.get(to)),
		}));
	}

	/** Both may exchange packets: of both directions. */
	#meet(node: string, other: string): void {
		if (node === other) return;
		for (const [one, peer] of [
			[node, other],
			[other, node],
		] as const) {
			const peers = this.#peers.get(one) ?? new Set();
			this.#peers.set(one, peers.add(peer));
		}
	}

	/** Largest inner packet. Throws where the way cannot be gone. */
	#mtu(
		leg: Leg,
		members: Combination["members"],
		crossed: readonly Crossed[],
	): number {
		/* Each function, each crossing and the exit is one decision of a forwarder. */
		if (members.length + 1 + crossed.length >= TTL_START) {
			throw new Error(
				`${members.length} functions and ${crossed.length} changes of node are more than an NSH header's TTL of ${TTL_START} lasts (use a shorter chain, or instances nearer to each other)`,
			);
		}
		for (const node of new Set(crossed.flatMap(({ from, to }) => [from, to]))) {
			if (this.intent.nodes.get(node)?.spec.underlay === undefined) {
				throw new Error(
					`node ${node} has no underlay address, but a path to or from it needs one (declare spec.underlay)`,
				);
			}
		}
		const mtuOf = (node: string) =>
			this.intent.nodes.get(node)?.spec.mtu ?? DEFAULT_MTU;
		const nodes = [leg.ingress, ...servers(members, leg.egress)];
		return Math.min(
			...nodes.map(mtuOf),
			...crossed.map(({ from, to, seal }) =>
				largestInner(Math.min(mtuOf(from), mtuOf(to)), seal),
			),
		);
	}
}

/** Once from node to node. */
interface Crossed {
	readonly from: string;
	readonly to: string;
	readonly seal: Seal | undefined;
}

/** What a lane's path is for. */
function nameOf({ flowClass, terms }: Purpose, { seals }: Lane): string {
	const isExposed = seals.some((seal) => seal !== "esp");
	return isExposed && terms !== "" ? `${flowClass} ${terms}` : flowClass;
}

function isSame(
	path: PathPlan,
	spi: number,
	tenantId: number,
	stops: readonly Stop[],
	backup: number | undefined,
): boolean {
	return (
		path.spi === spi &&
		path.backup === backup &&
		path.tenantId === tenantId &&
		(path.stops === stops ||
			stops.every(({ port }, index) => port === path.stops[index]?.port))
	);
}

function summaryOf({ tenantId: _, seals: __, ...path }: PathPlan): PathSummary {
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
