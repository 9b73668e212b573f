/** All links of a network with the names of their ends, for the authentication centre. */
import type { LinkState, NodeState } from "./state.js";

/** A sealed hop, one way, for one flow class. */
export interface NamedLink
	extends Pick<LinkState, "flowClass" | "transform" | "lifetime"> {
	/** Encryption path and index: SPI and SI that packets have on the hop. */
	readonly eSpi: number;
	readonly eSi: number;
	/** Nodes whose EFs seal and open: an EF's name is its node's. */
	readonly sender: string;
	readonly receiver: string;
}

/** In order of E-SPI and E-SI. One to a node that has no state is left out: nobody opens it. */
export function linksOf(states: Iterable<NodeState>): NamedLink[] {
	const all = [...states];
	const names = new Map(all.map(({ nodeId, node }) => [nodeId, node]));
	return all
		.flatMap(({ node, links = [] }) =>
			links.flatMap(({ spi, si, nodeId, ...terms }): NamedLink[] => {
				const receiver = names.get(nodeId);
				return receiver === undefined
					? []
					: [{ eSpi: spi, eSi: si, sender: node, receiver, ...terms }];
			}),
		)
		.sort((a, b) => a.eSpi - b.eSpi || a.eSi - b.eSi);
}
