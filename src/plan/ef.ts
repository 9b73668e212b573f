/**
 * What a node tells of its encryption function (EF): whether it runs, by which
 * engine, what keys it has and what it has carried. Never a key.
 */
import type { Counter } from "./protocol.js";

export interface EfEngineChoice {
	readonly kind: "userspace" | "xfrm";
	/** Why this one. */
	readonly why: string;
}

export interface EfStatus {
	readonly state: "starting" | "up" | "down";
	/** Why it is down or starting; what is amiss where it is up, else empty. */
	readonly reason: string;
	readonly restarts: number;
	/** Absent while it does not run. */
	readonly engine?: EfEngineChoice;
	/** It has a certificate of the authentication centre. */
	readonly enrolled: boolean;
	/** It is in a session with the centre. */
	readonly connected: boolean;
	/** Security associations it holds, and those of them that encrypt. */
	readonly sas: number;
	readonly active: number;
	/** Nodes whose EFs are not heard; absent where nobody listens. */
	readonly silent?: readonly number[];
}

/** Packets of one direction that came out, and those that did not by reason. */
export interface EfTrafficCounters extends Counter {
	/** Names as in src/functions/ef/refusal.ts; those that are zero are left out. */
	readonly refused: Readonly<Record<string, number>>;
}

export interface EfCounters {
	/** Sealed. */
	readonly out: EfTrafficCounters;
	/** Opened. */
	readonly in: EfTrafficCounters;
}
