/** What a forwarder does with what another node sends it: RFC 8300, naively. */

import { SI_START } from "../../../src/plan/state.js";
import type { NodeIndex } from "../../../src/plan/walk.js";
import { nameOf } from "./network.js";
import { dropped, given, wired } from "./ways.js";

export interface Place {
	readonly spi: number;
	readonly si: number;
	/** As in the header: 0 counts as 64 (section 2.2). */
	readonly ttl: number;
}

/** The word for it, and ports that get a copy; undefined where the packet leaves the chain. */
export function arrival(
	{ state, paths }: NodeIndex,
	{ spi, si, ttl }: Place,
): { readonly word: string; readonly taps: readonly number[] } | undefined {
	const taps: number[] = [];
	const drop = (reason: string) => ({
		word: dropped(state.node, reason),
		taps,
	});
	const path = paths.get(spi);
	if (!path) return drop("no_path");
	for (let at = si, left = ttl || 64; ; at--) {
		left--;
		if (at === 0) return drop("si_zero");
		if (left === 0) return drop("ttl_zero");
		const hop = path.hops[SI_START - at];
		switch (hop?.kind) {
			case undefined:
				return drop("no_hop");
			case "exit":
				return undefined;
			case "tap":
				taps.push(hop.port);
				continue;
			case "node":
				return {
					word: wired(state.node, nameOf(hop.nodeId), spi, at, left),
					taps,
				};
			case "port":
				return { word: given(state.node, hop.port, spi, at, left), taps };
		}
	}
}
