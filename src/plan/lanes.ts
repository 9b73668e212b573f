/**
 * Lanes: one combination of instances on one leg, sealed in one way. What is alike
 * for all paths on it is found once: seals, largest packet, ports, who meets whom.
 */
import { type Encryption, isSealing } from "../model/encryption.js";
import type { Intent } from "../model/intent.js";
import { type NamedCombination, rewrites, type Served } from "./chains.js";
import type { Combination } from "./combine.js";
import { crossings, type Stop, servers, TTL_START } from "./path.js";
import type { Laid, PathCache } from "./path-cache.js";
import type { Ports } from "./ports.js";
import { largestInner, sealOf } from "./sealing.js";
import type { Seal } from "./state.js";

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

/** One combination on one leg, sealed in one way: all of a path but its purpose. */
export interface Lane {
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

/** Once from node to node. */
interface Crossed {
	readonly from: string;
	readonly to: string;
	readonly seal: Seal | undefined;
}

export class LaneTable {
	readonly #lanes = new Map<Leg, Map<NamedCombination, Map<string, Lane>>>();
	readonly #peers = new Map<string, Set<string>>();

	constructor(
		private readonly intent: Intent,
		private readonly ports: Ports,
		private readonly cache: PathCache,
	) {}

	/** Nodes that this one exchanges packets with, in order. */
	peersOf(node: string): string[] {
		return [...(this.#peers.get(node) ?? [])].sort();
	}

	/** Found once for all alike. Throws where the way cannot be gone. */
	lane(
		encryption: Encryption,
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
		if (known) return known;
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
			stops: functions.some(rewrites) ? undefined : this.stops(some, "", 0),
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

	/**
	 * The ports of a path on the lane, stop by stop.
	 * @param name of the path; a port that several may share does not look at it
	 */
	stops(
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
}
