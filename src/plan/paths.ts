/** All path pairs of a plan: identity, numbers, ports, and what each node holds. */
import type { Intent } from "../model/intent.js";
import type { Allocator } from "./allocate.js";
import { rewrites, type Served } from "./chains.js";
import { type Combination, nameOf } from "./combine.js";
import {
	crossings,
	ENCAPSULATION,
	type PathPlan,
	servers,
	TTL_START,
	viewsOf,
} from "./path.js";
import type { PathSummary } from "./plan.js";
import type { Ports } from "./ports.js";
import type { PathState } from "./state.js";

/** Underlay MTU of a node that declares none, in bytes. */
export const DEFAULT_MTU = 1500;

/** From where to where a policy's packets go. */
export interface Leg {
	readonly policy: string;
	readonly tenant: string;
	readonly tenantId: number;
	readonly side: "access" | "exit";
	readonly ingress: string;
	readonly egress: string;
}

export class PathTable {
	readonly #views = new Map<string, PathState[]>();
	readonly #peers = new Map<string, Set<string>>();
	readonly #summaries: PathSummary[] = [];

	constructor(
		private readonly intent: Intent,
		private readonly spis: Allocator,
		private readonly ports: Ports,
		private readonly nodeId: (node: string) => number,
	) {}

	/**
	 * Slots of a rule: the SPI of each, or the only SPI. Throws, with nothing
	 * added that a rule would point to, where a path cannot be laid.
	 */
	lay(leg: Leg, { functions, combinations, slots }: Served): number[] {
		const spis = combinations.map((combination) =>
			this.#layOne(leg, functions, combination),
		);
		return spis.length === 1 ? spis : slots.map((index) => spis[index] ?? 0);
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

	#layOne(
		leg: Leg,
		functions: Served["functions"],
		{ members }: Combination,
	): number {
		const crossed = crossings(leg.ingress, members, leg.egress);
		const mtu = this.#mtu(leg, members, crossed);
		const kinds = functions.map(
			(one) => `${one.spec.attach}${rewrites(one) ? "*" : ""}`,
		);
		const key = [
			leg.policy,
			leg.tenant,
			leg.side,
			leg.ingress,
			nameOf(members),
			kinds.join(),
			leg.egress,
			mtu,
		].join(" ");
		const spi = this.spis.take(`${key} >`);
		const reverseSpi = this.spis.take(`${key} <`);
		const stops = functions.flatMap((fn, index) => {
			const at = members[index];
			const path = { tenant: leg.tenant, key, spi };
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
		const path: PathPlan = { ...leg, spi, reverseSpi, stops, mtu };
		for (const [node, states] of viewsOf(path, this.nodeId)) {
			const list = this.#views.get(node) ?? [];
			this.#views.set(node, list);
			list.push(...states);
		}
		for (const [from, to] of crossed) {
			this.#meet(from, to);
			this.#meet(to, from);
		}
		const { tenantId: _, ...summary } = path;
		this.#summaries.push({
			...summary,
			stops: stops.map(({ function: name, instance, node, port }) => ({
				function: name,
				instance,
				node,
				port,
			})),
		});
		return spi;
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
