/** What the authentication centre stores, what it is told, and what it tells. */
import type { AuditRecord } from "./audit.js";
import type { EnrolAucCommand, Enrolment } from "./enrol-auc.js";
import type { EnrolRequest } from "./enrol-messages.js";
import type { LinkState } from "./link-state.js";
import type { AucMessage, EfMessage } from "./messages.js";
import type { Link } from "./sa.js";
import type { Secret } from "./secret.js";
import type { LinkId } from "./spi.js";

/** All that has to survive the centre. Holds keys to enrol by: see vault.ts. */
export interface AucState {
	/** False before the links were declared for the first time. */
	declared: boolean;
	readonly links: Map<LinkId, LinkState>;
	/** As declared, also those that a revoked node keeps from being served. */
	readonly desired: Map<LinkId, Link>;
	/** EFs that get no key any more. */
	readonly revoked: Set<string>;
	/** EFs that have a key, and not yet a certificate that was used. */
	readonly enrolments: Map<string, Enrolment>;
	/**
	 * Serial numbers of the certificates that count, newest last. The one before
	 * counts, too: the newest may be lost on its way. A revoked EF has none.
	 */
	readonly certificates: Map<string, readonly string[]>;
}

export function newAuc(): AucState {
	return {
		declared: false,
		links: new Map(),
		desired: new Map(),
		revoked: new Set(),
		enrolments: new Map(),
		certificates: new Map(),
	};
}

/** What is revoked: all of a node's links, all of a path's SAs, or one SA. */
export type Target =
	| { readonly node: string }
	| { readonly eSpi: number }
	| { readonly spi: number };

export type AucEvent = { readonly nowMs: number } & (
	| { readonly type: "time" }
	/** All links there shall be. */
	| { readonly type: "declare"; readonly links: readonly Link[] }
	/** `from` is what the EF's certificate says. */
	| {
			readonly type: "message";
			readonly from: string;
			readonly message: EfMessage;
	  }
	| { readonly type: "revoke"; readonly target: Target; readonly by: string }
	/** Takes a node's revocation back. */
	| { readonly type: "admit"; readonly node: string; readonly by: string }
	| { readonly type: "rekey"; readonly target: Target }
	/** Lets an EF enrol with this key, which the centre keeps and wipes. */
	| { readonly type: "configure"; readonly ef: string; readonly key: Secret }
	/** Of somebody without a certificate. */
	| {
			readonly type: "enrol";
			readonly connection: number;
			readonly message: EnrolRequest;
	  }
	/** What became of a `sign` command. */
	| {
			readonly type: "signed";
			readonly ef: string;
			readonly request: string;
			readonly certificate: string;
			readonly serial: string;
	  }
	| {
			readonly type: "unsigned";
			readonly ef: string;
			readonly request: string;
			readonly reason: string;
	  }
);

export type AucCommand =
	| {
			readonly type: "send";
			readonly to: string;
			readonly message: AucMessage;
	  }
	| Exclude<EnrolAucCommand, { readonly type: "audit" }>
	| { readonly type: "audit"; readonly record: AuditRecord };
