/**
 * What controller and agents say to each other: JSON messages over a WebSocket
 * under mutual TLS. The client certificate's common name is the node's name.
 */
import type { EfCounters, EfStatus } from "./ef.js";
import type { InstanceState, NodeState, RuleAction } from "./state.js";
import type { PortSide, StateVerdict } from "./verdicts.js";

export const PROTOCOL_VERSION = 1;

export type AgentMessage =
	| {
			readonly type: "hello";
			readonly protocol: number;
			readonly version: string;
			/** Revision that runs on the node; 0: none. */
			readonly revision: number;
			readonly checks: readonly DoctorCheck[];
	  }
	| { readonly type: "ack"; readonly revision: number; readonly tookMs: number }
	| {
			readonly type: "refuse";
			readonly revision: number;
			readonly reason: string;
	  }
	| ({ readonly type: "status" } & NodeStatus)
	| ({ readonly type: "event" } & NodeEvent)
	/**
	 * The key this node's EF will prove itself with to the authentication centre
	 * (keys/enrol-messages.ts), once: base64 of at least 32 random bytes.
	 */
	| { readonly type: "ef-enrol"; readonly key: string }
	| {
			readonly type: "reply";
			readonly id: number;
			readonly body?: unknown;
			readonly error?: string;
	  };

export type ControllerMessage =
	| { readonly type: "desired"; readonly state: NodeState }
	| ({ readonly type: "auc" } & AucAddress)
	| ({ readonly type: "request"; readonly id: number } & AgentRequest);

/** Where EFs reach the authentication centre; told after each hello. */
export interface AucAddress {
	/** Absent: where the controller is. */
	readonly host?: string;
	readonly port: number;
}

/** Questions a controller asks; the reply's body has the type beside it. */
export type AgentRequest =
	/** → NodeCounters */
	| { readonly what: "counters" }
	/** → FlowRecord[] */
	| { readonly what: "flows"; readonly filter: FlowFilter }
	/** → StateRecord[] */
	| { readonly what: "states"; readonly filter: StateFilter }
	/** → DoctorCheck[] */
	| { readonly what: "doctor" }
	/** → string[]: instances of which nothing learned before holds. */
	| {
			readonly what: "invalidate";
			readonly function: string;
			/** Absent: all of the function that are on the node. */
			readonly instance?: string;
	  }
	/** → string[]: why it would refuse these; nothing is changed. */
	| { readonly what: "check"; readonly instances: readonly InstanceState[] };

/** Sent every second, and at once when an instance changes its health. */
export interface NodeStatus {
	readonly revision: number;
	readonly instances: readonly InstanceStatus[];
	/** Paths that no packet has used for so long; only paths with active: false. */
	readonly idlePaths: readonly {
		readonly spi: number;
		readonly idleMs: number;
	}[];
	/** Absent where the node has no sealed hop. */
	readonly ef?: EfStatus;
}

export interface InstanceStatus {
	readonly function: string;
	readonly instance: string;
	readonly state: "starting" | "up" | "down";
	/** Why it is down, or how it is known to be up: "process", "probe", "ruleset". */
	readonly reason: string;
	readonly restarts: number;
	/** Round trip of the newest probe through the function in microseconds. */
	readonly probeUs?: number;
}

export interface NodeEvent {
	readonly timeMs: number;
	readonly kind: string;
	readonly message: string;
	readonly tenant?: string;
}

export interface Counter {
	readonly packets: number;
	readonly bytes: number;
}

export interface NodeCounters {
	readonly hops: readonly ({
		readonly spi: number;
		readonly si: number;
	} & Counter)[];
	readonly ports: readonly {
		readonly function: string;
		readonly instance: string;
		readonly port: number;
		readonly side: "inside" | "outside";
		readonly toFunction: Counter;
		readonly fromFunction: Counter;
	}[];
	/** What became of verdicts: names as in enum verdict_counter, lower case. */
	readonly verdicts: readonly {
		readonly function: string;
		readonly instance: string;
		readonly port: number;
		readonly what: string;
		readonly count: number;
	}[];
	/** Entries of the service state list, counted now and then, and how many fit. */
	readonly states: { readonly entries: number; readonly capacity: number };
	/** By name of the reason, as in bpf/maps.h without DROP_, lower case. */
	readonly drops: readonly ({ readonly reason: string } & Counter)[];
	/** Of the EF that runs, since it was started; absent where there is none. */
	readonly ef?: EfCounters;
}

export interface FlowFilter {
	readonly tenant?: string;
	/** Addresses or prefixes. */
	readonly src?: string;
	readonly dst?: string;
	readonly proto?: number;
	readonly sport?: number;
	readonly dport?: number;
	readonly limit: number;
}

export interface FlowRecord extends Counter {
	/** classified: by rules; learned: the reverse of one that left here. */
	readonly kind: "classified" | "learned";
	readonly tenant: string;
	readonly src: string;
	readonly dst: string;
	readonly proto: number;
	readonly sport: number;
	readonly dport: number;
	/** What becomes of its packets: a path, the node's own routing, or nothing. */
	readonly action: RuleAction["kind"];
	/** The path; with `chain` alone. */
	readonly spi?: number;
	readonly policy: string;
	readonly ageMs: number;
	readonly idleMs: number;
}

export interface StateFilter extends FlowFilter {
	readonly function?: string;
	readonly instance?: string;
	readonly verdict?: StateVerdict;
}

/** What a function has said of a flow. */
export interface StateRecord {
	readonly function: string;
	readonly instance: string;
	readonly port: number;
	/** Where the flow's packets come out of the function. */
	readonly side: PortSide;
	readonly tenant: string;
	readonly policy: string;
	readonly spi: number;
	/** As the function is given it. */
	readonly src: string;
	readonly dst: string;
	readonly proto: number;
	readonly sport: number;
	readonly dport: number;
	/** What holds for the flow's next packet; one of former rules is `pending`. */
	readonly verdict: StateVerdict;
	/** The header the function gives it, with `rewrite` alone; absent: as it was. */
	readonly rewritten?: {
		readonly src: string;
		readonly dst: string;
		readonly sport: number;
		readonly dport: number;
		readonly dscp?: number;
		readonly hopLimit?: number;
	};
	readonly ageMs: number;
	readonly idleMs: number;
	/** Since the function last let a packet of it pass; absent: never yet. */
	readonly vouchedMs?: number;
	/** Packets given to the function, and given back, since it was last forgotten. */
	readonly delivered: number;
	readonly returned: number;
	/** Packets and bytes handled without the function. */
	readonly skipped: number;
	readonly skippedBytes: number;
}

export interface DoctorCheck {
	readonly name: string;
	readonly ok: boolean;
	/** What follows from it: what is used instead, or how to mend it. */
	readonly detail: string;
	/** Without it the node cannot work at all. */
	readonly required: boolean;
}
