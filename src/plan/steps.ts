/** Steps that take a node from one state to another: idempotent upserts and removals. */
import type {
	InstanceState,
	InterfaceState,
	LinkState,
	NodeState,
	PathState,
	PeerState,
	PortState,
	RuleSetState,
	TenantState,
} from "./state.js";

/** What a node is, apart from what it holds. */
export type NodeFacts = Pick<NodeState, "node" | "nodeId" | "underlay" | "mtu">;

/** An instance without its ports: they have steps of their own. */
export type InstanceFacts = Omit<InstanceState, "ports">;

export interface OfInstance {
	readonly function: string;
	readonly instance: string;
}

export type Step =
	| { readonly kind: "node-set"; readonly facts: NodeFacts }
	| { readonly kind: "tenant-set"; readonly tenant: TenantState }
	| { readonly kind: "tenant-remove"; readonly id: number }
	| { readonly kind: "peer-set"; readonly peer: PeerState }
	| { readonly kind: "peer-remove"; readonly nodeId: number }
	/** All sealed hops that begin here, in place of those before. */
	| { readonly kind: "links-set"; readonly links: readonly LinkState[] }
	| { readonly kind: "instance-add"; readonly instance: InstanceFacts }
	/** Spec, runtime or attachment of one that is there. */
	| { readonly kind: "instance-update"; readonly instance: InstanceFacts }
	| ({ readonly kind: "instance-remove" } & OfInstance)
	| ({ readonly kind: "port-set"; readonly port: PortState } & OfInstance)
	| ({ readonly kind: "port-remove"; readonly id: number } & OfInstance)
	| { readonly kind: "path-set"; readonly path: PathState }
	/** New flows may not take it any more; closed: nor may any packet. */
	| {
			readonly kind: "path-deactivate";
			readonly spi: number;
			readonly closed?: true;
	  }
	| { readonly kind: "path-remove"; readonly spi: number }
	/** Adds or replaces a rule set at once. */
	| { readonly kind: "ruleset-replace"; readonly ruleSet: RuleSetState }
	| {
			readonly kind: "ruleset-remove";
			readonly tenantId: number;
			readonly side: "access" | "exit";
	  }
	| { readonly kind: "interface-set"; readonly interface: InterfaceState }
	| {
			readonly kind: "interface-remove";
			readonly name: string;
			readonly vlan: number;
	  }
	/** All of it is done: the node runs this revision. */
	| { readonly kind: "revision-set"; readonly revision: number };

/** Lists of a node's state by kind, and what an entry is known by. */
export const KEYS = {
	tenants: (one: TenantState) => `${one.id}`,
	peers: (one: PeerState) => `${one.nodeId}`,
	instances: (one: InstanceFacts) => `${one.function}/${one.instance}`,
	interfaces: (one: InterfaceState) => `${one.name} ${one.vlan}`,
	paths: (one: PathState) => `${one.spi}`,
	ruleSets: (one: RuleSetState) => `${one.tenantId} ${one.side}`,
} as const;

/** A node before its first step. */
export function empty(facts: NodeFacts): NodeState {
	return {
		...nodeFacts(facts),
		revision: 0,
		tenants: [],
		interfaces: [],
		peers: [],
		instances: [],
		paths: [],
		ruleSets: [],
	};
}

export function nodeFacts({
	node,
	nodeId,
	underlay,
	mtu,
}: NodeFacts): NodeFacts {
	return { node, nodeId, ...(underlay === undefined ? {} : { underlay }), mtu };
}
