/** What the authentication centre did and why: plain words, never a key. */
import type { StepName } from "./messages.js";
import type { RekeyReason, Role } from "./sa.js";
import type { Plain } from "./secret.js";

/** Names the SA of a record. */
type OfSa = {
	readonly eSpi: number;
	readonly eSi: number;
	readonly generation: number;
	readonly spi: number;
	readonly flowClass: string;
	readonly sender: string;
	readonly receiver: string;
};

export type AuditRecord = { readonly timeMs: number } & (
	| ({ readonly what: "issue"; readonly reason: RekeyReason } & OfSa)
	/** The sender encrypts with it. */
	| ({ readonly what: "in-use" } & OfSa)
	/** Given up before it was in use. */
	| ({ readonly what: "undo"; readonly reason: RekeyReason } & OfSa)
	| ({ readonly what: "lost"; readonly role: Role } & OfSa)
	| ({
			readonly what: "refuse";
			readonly role: Role;
			readonly step: StepName;
			readonly reason: string;
	  } & OfSa)
	/** Gone from both ends. */
	| ({ readonly what: "removed"; readonly revoked: boolean } & OfSa)
	/** Its time is over, and both ends have deleted it by themselves. */
	| ({
			readonly what: "expired";
			readonly revoked: boolean;
			/** It was what the link used last: its traffic has stopped. */
			readonly withoutSuccessor: boolean;
	  } & OfSa)
	| ({ readonly what: "adopt"; readonly role: Role } & OfSa)
	| ({ readonly what: "revoke"; readonly by: string } & OfSa)
	| {
			readonly what: "revoke-node" | "admit-node";
			readonly ef: string;
			readonly by: string;
	  }
	| {
			readonly what:
				| "enrol"
				| "enrolled"
				| "session"
				| "enrol-refused"
				/** Part of what it says cannot be, and counts for nothing. */
				| "report-refused";
			readonly ef: string;
			readonly reason?: string;
	  }
);

/** Never called: fails to compile when a record could carry a key. */
export const provesPlain = (record: AuditRecord): Plain => record;

/** A record before it has its time. */
export type Audited = AuditRecord extends infer R
	? R extends AuditRecord
		? Omit<R, "timeMs">
		: never
	: never;
