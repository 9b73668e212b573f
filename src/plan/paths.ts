/** All path pairs of a plan: identity, numbers, ports, and what each node holds. */
import type { Encryption } from "../model/encryption.js";
import type { Allocator } from "./allocate.js";
import type { NamedCombination, Served } from "./chains.js";
import type { Lane, LaneTable, Leg } from "./lanes.js";
import { type PathPlan, type PathSummary, type Stop, viewsOf } from "./path.js";
import { byNumber, termsOf } from "./sealing.js";
import { type LinkState, type PathState, SI_START } from "./state.js";

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

export class PathTable {
	readonly #views = new Map<string, PathState[]>();
	readonly #summaries: PathSummary[] = [];
	readonly #links = new Map<string, LinkState[]>();

	constructor(
		private readonly lanes: LaneTable,
		private readonly pairs: Allocator,
		private readonly nodeId: (node: string) => number,
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
			this.lanes.lane(purpose.encryption, leg, served, one),
		);
		const spis = backupOf
			? this.#layWithBackups(
					purpose,
					lanes,
					combinations.map((one) => {
						const other = backupOf(one);
						return (
							other && this.lanes.lane(purpose.encryption, leg, served, other)
						);
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
		return this.lanes.peersOf(node);
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
		const stops = lane.stops ?? this.lanes.stops(lane, name, spi);
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
