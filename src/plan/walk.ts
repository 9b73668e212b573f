/** Follows paths through the states of all nodes, as forwarders would. */
import { TTL_START } from "./path.js";
import {
	type HopState,
	type InstanceState,
	type NodeState,
	type PathState,
	type PeerState,
	type PortState,
	type RuleAction,
	type Seal,
	SI_START,
} from "./state.js";

export interface NodeIndex {
	readonly state: NodeState;
	readonly paths: ReadonlyMap<number, PathState>;
	readonly ports: ReadonlyMap<
		number,
		{ readonly instance: InstanceState; readonly port: PortState }
	>;
	readonly peers: ReadonlyMap<number, PeerState>;
}

/** All nodes, with what a walk looks up. */
export class Network {
	readonly nodes: ReadonlyMap<string, NodeIndex>;
	readonly #byId: ReadonlyMap<number, NodeIndex>;
	/** Nodes that hold a path, by SPI. */
	readonly holders: ReadonlyMap<number, readonly NodeIndex[]>;

	constructor(states: Iterable<NodeState>) {
		const nodes = [...states].map(indexOf);
		this.nodes = new Map(nodes.map((one) => [one.state.node, one]));
		this.#byId = new Map(nodes.map((one) => [one.state.nodeId, one]));
		const holders = new Map<number, NodeIndex[]>();
		for (const one of nodes) {
			for (const spi of one.paths.keys()) {
				const list = holders.get(spi) ?? [];
				holders.set(spi, list);
				list.push(one);
			}
		}
		this.holders = holders;
	}

	byId(nodeId: number): NodeIndex | undefined {
		return this.#byId.get(nodeId);
	}
}

function indexOf(state: NodeState): NodeIndex {
	return {
		state,
		paths: new Map(state.paths.map((path) => [path.spi, path])),
		ports: new Map(
			state.instances.flatMap((instance) =>
				instance.ports.map((port) => [port.id, { instance, port }] as const),
			),
		),
		peers: new Map(state.peers.map((peer) => [peer.nodeId, peer])),
	};
}

const NONE: ReadonlySet<number> = new Set();
const chosen = new WeakMap<RuleAction, ReadonlySet<number>>();

/** Paths that a rule chooses from; remembered, as most rules outlive a replan. */
export function chosenBy(action: RuleAction): ReadonlySet<number> {
	if (action.kind !== "chain") {
		return NONE;
	}
	const known = chosen.get(action) ?? new Set(action.slots);
	chosen.set(action, known);
	return known;
}

/** One decision of a forwarder. */
export interface Decision {
	readonly node: string;
	/** Entry of the path: serves service index SI_START - index. */
	readonly index: number;
	readonly si: number;
	/** After this forwarder took its one (RFC 8300 §2.2). */
	readonly ttl: number;
	readonly hop: HopState;
	/** Set on ports and taps. */
	readonly instance?: InstanceState;
	readonly port?: PortState;
}

/** Why a walk ended before its exit: the kernel's drop reason, and in words. */
export interface Stuck {
	readonly reason:
		| "no_path"
		| "no_hop"
		| "ttl_zero"
		| "si_zero"
		| "unsealed"
		| "unknown_peer";
	readonly node: string;
	readonly index: number;
	readonly message: string;
	/** The packet was sent on twice at one service index. */
	readonly loop?: boolean;
}

export interface Walk {
	readonly decisions: readonly Decision[];
	/** Absent where it reached the exit. */
	readonly stuck?: Stuck;
}

/** The way of a packet on path `spi` that begins at a node. */
export function walk(network: Network, spi: number, from: string): Walk {
	const decisions: Decision[] = [];
	let node = from;
	let index = 0;
	let sent = false;
	/** How it came from another node; undefined: in the clear, or not at all. */
	let seal: Seal | undefined;
	for (let ttl = TTL_START - 1; ; ttl--) {
		const stuck = (
			reason: Stuck["reason"],
			cause: string,
			loop = false,
		): Walk => ({
			decisions,
			stuck: {
				reason,
				node,
				index,
				message: `node ${node} ${cause}`,
				...(loop ? { loop } : {}),
			},
		});
		if (ttl <= 0) {
			return stuck("ttl_zero", "is one forwarder too many for its TTL");
		}
		if (index >= SI_START) {
			return stuck("si_zero", "has no service index left");
		}
		const here = network.nodes.get(node);
		const path = here?.paths.get(spi);
		if (!here || !path) {
			return stuck("no_path", `does not have path ${spi}`);
		}
		const hop = path.hops[index];
		if (!hop) {
			return stuck(
				"no_hop",
				`has nothing at service index ${SI_START - index}`,
			);
		}
		const decision = { node, index, si: SI_START - index, ttl, hop };
		if (hop.kind !== "node" && hop.sealed && hop.sealed !== seal) {
			return stuck("unsealed", `takes only what is sealed (${hop.sealed})`);
		}
		if (hop.kind === "exit") {
			decisions.push(decision);
			return { decisions };
		}
		if (hop.kind === "node") {
			if (sent) {
				return stuck("no_hop", "sends on what another node sent it", true);
			}
			const to = network.byId(hop.nodeId);
			const peer = here.peers.get(hop.nodeId);
			if (!to || peer?.underlay !== to.state.underlay) {
				return stuck("unknown_peer", `does not know node ${hop.nodeId}`);
			}
			if (!to.peers.has(here.state.nodeId)) {
				return stuck(
					"unknown_peer",
					`is not known to node ${to.state.node}, which drops what it sends`,
				);
			}
			decisions.push(decision);
			node = to.state.node;
			sent = true;
			seal = hop.sealed;
			continue;
		}
		const at = here.ports.get(hop.port);
		if (!at) {
			return stuck("no_hop", `has no port ${hop.port}`);
		}
		decisions.push({ ...decision, ...at });
		index++;
		sent = false;
		seal = undefined;
	}
}
