/** Errors that the controller answers with: a code of the registry and its facts. */

/** Every code; api/errors.ts gives each its HTTP status and hint. */
export const faultCodes = [
	"invalid_document",
	"invalid_request",
	"body_too_large",
	"unauthenticated",
	"forbidden",
	"not_found",
	"route_not_found",
	"in_use",
	"nobody_else",
	"quota_exceeded",
	"invariant_violated",
	"unplannable",
	"node_refused",
	"node_unreachable",
	"keys_missing",
	"keys_unavailable",
	"join_token_invalid",
	"certificate_required",
	"certificate_request_invalid",
	"not_leader",
	"shutting_down",
	"internal",
] as const;

export type FaultCode = (typeof faultCodes)[number];

/** A problem at a place of the request: document index and JSON pointer into it. */
export interface Problem {
	readonly message: string;
	readonly hint?: string;
	/** Index in `documents`; absent where no single document is to blame. */
	readonly document?: number;
	/** RFC 6901, relative to the document; empty: the whole document. */
	readonly pointer?: string;
	/** Offset inside the string at `pointer` (predicates), 0-based. */
	readonly offset?: number;
	/** Characters from `offset` on that are wrong. */
	readonly length?: number;
}

/** A refused or failed operation; `message` reads `operation: cause (likely fix)`. */
export class Fault extends Error {
	constructor(
		readonly code: FaultCode,
		message: string,
		readonly problems: readonly Problem[] = [],
	) {
		super(message);
		this.name = "Fault";
	}
}
