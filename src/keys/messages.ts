/**
 * What an EF and the authentication centre say to each other, once the EF has
 * its certificate. Every message may be lost, late, doubled or overtaken.
 *
 * A session is one life of an EF as the centre knows it: EF `hello` with its
 * boot, centre `challenge`, EF `report` of all it holds, centre `accepted`.
 * Messages of another session count for nothing, so that what was said to an EF
 * before it restarted can never install a used key again.
 */
import type { Expiry, KeyedEntry, Role, SaRef } from "./sa.js";

/** Steps an EF acknowledges. */
export type StepName = "install" | "switch" | "remove";

/** An SA an EF holds. */
export interface HeldSa extends SaRef {
	readonly role: Role;
	readonly ageMs: number;
	/** It is what the sender encrypts with. */
	readonly active: boolean;
}

/** `sa-lifetime-current` of an SA. */
export interface Use {
	readonly sa: SaRef;
	readonly bytes: number;
	readonly packets: number;
}

export type EfMessage =
	| { readonly type: "hello"; readonly boot: string }
	| {
			readonly type: "report";
			readonly session: string;
			readonly held: readonly HeldSa[];
	  }
	| {
			readonly type: "done";
			readonly session: string;
			readonly step: StepName;
			readonly sa: SaRef;
	  }
	| {
			readonly type: "refuse";
			readonly session: string;
			readonly step: StepName;
			readonly sa: SaRef;
			readonly reason: string;
			/** Generations of the link up to here are not taken any more. */
			readonly floor: number;
	  }
	/** `sadb-expire`: soft: wants a successor; hard: it is deleted. */
	| {
			readonly type: "expire";
			readonly session: string;
			readonly sa: SaRef;
			readonly soft: boolean;
			readonly by: Expiry;
	  }
	| {
			readonly type: "usage";
			readonly session: string;
			readonly uses: readonly Use[];
	  };

export type AucMessage =
	| {
			readonly type: "challenge";
			readonly boot: string;
			readonly session: string;
	  }
	/** The EF deletes what it holds beyond these. */
	| {
			readonly type: "accepted";
			readonly session: string;
			readonly keep: readonly SaRef[];
	  }
	/** The only message with a key in it. */
	| {
			readonly type: "install";
			readonly session: string;
			readonly entry: KeyedEntry;
	  }
	| {
			readonly type: "switch" | "remove";
			readonly session: string;
			readonly sa: SaRef;
	  }
	/** An `expire` arrived. */
	| {
			readonly type: "noted";
			readonly session: string;
			readonly sa: SaRef;
			readonly soft: boolean;
	  }
	/** The EF's certificate counts no more, whatever its dates say: enrol anew. */
	| { readonly type: "unknown" }
	/** This session is not known: say hello again. */
	| { readonly type: "stale"; readonly session: string };
