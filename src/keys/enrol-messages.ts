/**
 * How an EF gets its certificate: it and the centre prove to each other, before
 * mutual TLS is possible, that both know the EF's pre-configured key. The key
 * itself is never sent.
 *
 *   EF → centre   enrol        name, nonce of the EF
 *   centre → EF   enrol-proof  nonce of the centre, HMAC "auc"
 *   EF → centre   enrol-sign   certificate request, HMAC "ef"
 *   centre → EF   enrolled     certificate, HMAC "certificate"
 *
 * Every HMAC covers the names of what it proves, the EF and both nonces, each
 * with its length: no proof can serve as another, or a second time.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Secret } from "./secret.js";

export type EnrolRequest =
	| { readonly type: "enrol"; readonly ef: string; readonly nonce: string }
	| {
			readonly type: "enrol-sign";
			readonly ef: string;
			readonly nonce: string;
			/** Certificate request, PEM. */
			readonly request: string;
			readonly proof: string;
	  };

export type EnrolReply =
	| {
			readonly type: "enrol-proof";
			/** The EF's, to tell replies to earlier attempts apart. */
			readonly nonce: string;
			readonly aucNonce: string;
			readonly proof: string;
	  }
	| {
			readonly type: "enrolled";
			readonly nonce: string;
			/** Certificate chain, PEM; its last is what the centre's own is checked by. */
			readonly certificate: string;
			readonly proof: string;
	  };

/** Shortest pre-configured key in bytes: the strength of the HMAC. */
export const ENROL_KEY_BYTES = 32;
export const NONCE_BYTES = 32;

/** Name in the centre's own certificate; an EF expects no other. */
export const AUC_NAME = "chainmail-auc";
/** Where it listens by default (TCP). */
export const AUC_PORT = 8444;

/** Who proves what. */
export type ProofOf = "auc" | "ef" | "certificate";

/** HMAC-SHA-256 as hexadecimal digits. */
export function proofOf(
	key: Secret,
	what: ProofOf,
	...parts: readonly string[]
): string {
	const hmac = createHmac("sha256", key.reveal());
	for (const part of ["chainmail enrol v1", what, ...parts]) {
		const bytes = Buffer.from(part);
		const length = Buffer.alloc(4);
		length.writeUInt32BE(bytes.length);
		hmac.update(length).update(bytes);
	}
	return hmac.digest("hex");
}

/** In constant time. */
export function sameProof(expected: string, given: string): boolean {
	const a = Buffer.from(expected);
	const b = Buffer.from(given);
	return a.length === b.length && timingSafeEqual(a, b);
}
