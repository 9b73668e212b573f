/**
 * Desired state of one node: everything its agent needs, nothing it must look
 * up elsewhere. Plain JSON; the controller sends it whole with a revision and
 * the agent applies the difference to what runs (diff.ts).
 */
import type { FunctionDocument } from "../model/intent.js";
import type { MaskedKey } from "../model/packet.js";

export type { MaskedKey };

/** First service index of every path (RFC 8300 §2.3 suggests 255). */
export const SI_START = 255;

export interface NodeState {
	readonly node: string;
	/** Grows with every plan; an agent never goes back. */
	readonly revision: number;
	readonly nodeId: number;
	/** This node's underlay address; absent on a node that stands alone. */
	readonly underlay?: string;
	/** Underlay MTU in bytes. */
	readonly mtu: number;
	readonly tenants: readonly TenantState[];
	readonly interfaces: readonly InterfaceState[];
	/** Nodes this one may exchange VXLAN-GPE with. */
	readonly peers: readonly PeerState[];
	readonly instances: readonly InstanceState[];
	readonly paths: readonly PathState[];
	/** Sealed hops that begin here: each needs keys of its own. Absent: none. */
	readonly links?: readonly LinkState[];
	/** One a tenant that has an access interface (or inbound rules) here. */
	readonly ruleSets: readonly RuleSetState[];
}

export interface TenantState {
	readonly id: number;
	readonly name: string;
	readonly default: "forward" | "drop";
	readonly subnets: readonly string[];
}

export interface InterfaceState {
	readonly name: string;
	readonly vlan: number;
	readonly role: "access" | "exit" | "underlay";
	/** Tenant that owns it; 0 = shared (exit) or none (underlay). */
	readonly tenantId: number;
}

export interface PeerState {
	readonly nodeId: number;
	readonly name: string;
	readonly underlay: string;
}

/** A function's instance on this node with its ports. */
export interface InstanceState {
	readonly function: string;
	readonly instance: string;
	readonly attach: "routed" | "bridged" | "tap";
	readonly runtime: "process" | "external";
	/** The declared spec, for the runtime (command, ruleset, addresses, probe). */
	readonly spec: FunctionDocument["spec"];
	readonly ports: readonly PortState[];
}

/** A port: a pair of attachments (inside, outside), or one for a tap. */
export interface PortState {
	/** Unique on its node, stable across replans, 1…4095 (MAX_PORTS in bpf/maps.h). */
	readonly id: number;
	/** Whose packets it is for; absent where it is bound to a path. */
	readonly tenantId?: number;
	/**
	 * Set on a function that rewrites addresses: the only path pair that uses
	 * this port (SPI of its forward direction), so that a packet which comes
	 * back with another tuple still has one owner.
	 */
	readonly boundSpi?: number;
}

/** How packets of a hop are protected: encrypted (ESP), or signed (RFC 9145). */
export type Seal = "esp" | "mac";

/**
 * A sealed hop, one way, of one flow class: what the authentication centre issues
 * security associations for. Its E-SPI and E-SI are the SPI and service index that
 * packets have between the two nodes.
 */
export interface LinkState {
	readonly spi: number;
	readonly si: number;
	/** Node whose EF opens what this node's EF seals. */
	readonly nodeId: number;
	readonly flowClass: string;
	readonly transform: Transform;
	/** An SA of it is used no longer; absent: as long as the centre's default. */
	readonly lifetime?: LinkLifetime;
}

/** hmac-…: RFC 9145, over the NSH alone or the packet in it, too. */
export type Transform =
	| "aes-gcm-128"
	| "aes-gcm-256"
	| "hmac-sha-256-header"
	| "hmac-sha-256-packet";

export interface LinkLifetime {
	readonly seconds?: number;
	readonly bytes?: number;
	readonly packets?: number;
}

/** One direction of a path as this node sees it. Immutable for its SPI's life. */
export interface PathState {
	readonly spi: number;
	/** SPI of the opposite direction. */
	readonly reverseSpi: number;
	readonly direction: "forward" | "reverse";
	readonly tenantId: number;
	readonly policy: string;
	/** Of its packets, where keys depend on it: the policy's name, or `policy/class`. */
	readonly flowClass?: string;
	/** Number of functions (and taps) on the whole path: each takes one SI. */
	readonly length: number;
	/** Largest inner IP packet in bytes the whole path can carry. */
	readonly mtu: number;
	/** New flows may take it; false while it drains after a change. */
	readonly active: boolean;
	/**
	 * No packet enters it any more, not even answers to those that did: only what is
	 * under way goes on. Set on paths that show what is to be sealed now.
	 */
	readonly closed?: true;
	/**
	 * Where packets enter it: the path that takes them while this one's way is
	 * broken, by other nodes, with links of its own. It may change in a path's life.
	 */
	readonly backup?: number;
	/** Where packets enter it, if it is sealed: the other nodes, each of which may break it. */
	readonly relies?: readonly number[];
	/** Packets of one tuple may take different paths by their DSCP. */
	readonly byDscp?: true;
	/**
	 * Entry i serves service index SI_START - i; entry `length` is the exit.
	 * `null` where this node does not take part.
	 */
	readonly hops: readonly (HopState | null)[];
}

export type HopState = {
	/**
	 * On `node`: packets go there by way of this node's EF. On any other: packets
	 * come to this place out of this node's EF, and from nowhere else.
	 */
	readonly sealed?: Seal;
} & /** Deliver to a function's port on this node. */ (
	| { readonly kind: "port"; readonly port: number }
	/** Give a tap a copy, then go on with the next service index. */
	| { readonly kind: "tap"; readonly port: number }
	/** Encapsulate to another node. */
	| {
			readonly kind: "node";
			readonly nodeId: number;
			/** Behind it the path goes on to another node. */
			readonly far?: true;
	  }
	/** Leave the chain here. */
	| { readonly kind: "exit" }
);

export interface RuleSetState {
	readonly tenantId: number;
	/**
	 * `access`: judges packets from the tenant's access interfaces. `exit`:
	 * judges packets that arrive at an exit interface of this node, belong to
	 * no known flow and are addressed to the tenant (connections from outside).
	 */
	readonly side: "access" | "exit";
	/** Grows when anything in it changes; flows of an older one are re-judged. */
	readonly generation: number;
	/** Highest priority first; see model/packet.ts for the key's meaning. */
	readonly rules: readonly RuleState[];
}

export interface RuleState {
	readonly policy: string;
	/** Number of the policy on the wire between kernel and agent; stable. */
	readonly policyId: number;
	/** Unique order: higher is looked at first (policy priority, then name). */
	readonly rank: number;
	readonly keep: boolean;
	/** Masked keys, any of which matches (a predicate compiled). */
	readonly keys: readonly MaskedKey[];
	readonly action: RuleAction;
}

export type RuleAction =
	| { readonly kind: "pass" }
	| { readonly kind: "drop" }
	/**
	 * Choose by flow hash: `slots` is a consistent-hash table of SPIs, 251 of
	 * them, or the only one alone.
	 */
	| { readonly kind: "chain"; readonly slots: readonly number[] };
