/** What the process of an EF says of itself, a line of JSON at a time. No key. */
import type { EfEngineChoice } from "../../plan/ef.js";
import type { EfTraffic } from "../ef/engine.js";

/** An SA it holds. */
export interface ReportedSa {
	readonly spi: number;
	readonly role: "sender" | "receiver";
	readonly peer: string;
	readonly flowClass: string;
	readonly generation: number;
	readonly ageMs: number;
	/** It is what its path is encrypted with. */
	readonly active: boolean;
	readonly packets: number;
	readonly bytes: number;
}

export interface ReportedPeer {
	readonly nodeId: number;
	/** It was heard within three intervals. */
	readonly alive: boolean;
}

export interface EfReport {
	readonly engine: EfEngineChoice;
	readonly enrolled: boolean;
	/** It needs a key to enrol by, or its certificate is old. */
	readonly wantsKey: boolean;
	/** It is in a session with the authentication centre. */
	readonly connected: boolean;
	/** Why it is not; empty where it is. */
	readonly problem: string;
	readonly sas: readonly ReportedSa[];
	readonly out: EfTraffic;
	readonly in: EfTraffic;
	readonly peers: readonly ReportedPeer[];
}

/** What an agent may ask for, a word a line. */
export const EF_REQUESTS = ["reload", "end"] as const;
/** reload: read the files again; end: give everything up. */
export type EfRequest = (typeof EF_REQUESTS)[number];
