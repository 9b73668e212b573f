/** What a trace is told in. */
import type { Packet } from "../../model/packet.js";
import type { Seal } from "../state.js";
import type { Flow } from "./flows.js";

/** A packet where it arrives. */
export interface Start {
	readonly node: string;
	/** Name of the interface. */
	readonly interface: string;
	/** 802.1Q tag, or 0. */
	readonly vlan?: number;
	/** Its tenant is the interface's, whatever it says. */
	readonly packet: Packet;
	/**
	 * Set on an ICMP error: its own source. `packet` is then the one it is about,
	 * reversed, with the error's type.
	 */
	readonly errorFrom?: string;
}

export type TraceStep = {
	readonly node: string;
	/** What happens and for what reason, in words. */
	readonly why: string;
} & (
	| {
			readonly kind: "arrive";
			readonly tenantId: number;
			readonly role: string;
	  }
	/** The flow table knows it. */
	| {
			readonly kind: "flow";
			readonly spi: Flow["spi"];
			readonly learned: boolean;
	  }
	| {
			readonly kind: "rule";
			readonly policy: string;
			readonly rank: number;
			readonly action: "pass" | "drop" | "chain";
	  }
	| { readonly kind: "default"; readonly action: "forward" | "drop" }
	/** `slot` is absent where the rule has a single path. */
	| {
			readonly kind: "path";
			readonly spi: number;
			readonly hash: number;
			readonly slot?: number;
	  }
	| ({
			readonly kind: "port" | "tap";
			readonly function: string;
			readonly instance: string;
			readonly port: number;
	  } & OnPath)
	/** To another node; `sealed` by this node's encryption function. */
	| ({
			readonly kind: "encapsulate";
			readonly to: string;
			readonly sealed?: Seal;
	  } & OnPath)
	| ({
			readonly kind: "exit";
			readonly interface: string;
			readonly vlan: number;
	  } & OnPath)
	/** Replies that arrive here walk the path back. */
	| {
			readonly kind: "learn";
			readonly spi: number | "pass";
			readonly scope: number;
	  }
	/** Leaves unchained. */
	| {
			readonly kind: "pass";
			readonly interface: string;
			readonly vlan: number;
	  }
	/** `reason` as in bpf/maps.h, lower case without DROP_. */
	| { readonly kind: "drop"; readonly reason: string }
);

export interface OnPath {
	readonly spi: number;
	/** Service index it is looked up with. */
	readonly si: number;
	readonly ttl: number;
}

/** What a function does to a packet; the packet itself where it lets it be, null drops. */
export type Behaviour = (
	at: { readonly function: string; readonly instance: string },
	packet: Packet,
) => Packet | null;
