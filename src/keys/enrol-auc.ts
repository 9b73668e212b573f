/**
 * The centre's side of enrolment; see enrol-messages.ts. It keeps nothing of who
 * merely greets: its nonce follows from the EF's, so a stranger's greetings change
 * nothing for the EF. A key serves until the EF first comes with its certificate.
 */
import type { Audited } from "./audit.js";
import {
	ENROL_KEY_BYTES,
	type EnrolReply,
	type EnrolRequest,
	NONCE_BYTES,
	proofOf,
	sameProof,
} from "./enrol-messages.js";
import { type RandomBytes, Secret } from "./secret.js";

/** An EF that may enrol. */
export interface Enrolment {
	/** Pre-configured at the EF as well. */
	readonly key: Secret;
	/** Given already, for an EF that did not get it. */
	issued:
		| { readonly request: string; readonly certificate: string }
		| undefined;
}

export type EnrolAucCommand =
	| {
			readonly type: "reply";
			readonly connection: number;
			readonly message: EnrolReply;
	  }
	/** Make a certificate for this EF's name, whatever name the request says. */
	| { readonly type: "sign"; readonly ef: string; readonly request: string }
	| { readonly type: "audit"; readonly record: Audited };

type SignRequest = EnrolRequest & { type: "enrol-sign" };

export class EnrolAuc {
	readonly #enrolments: Map<string, Enrolment>;
	/** Of this life of the centre: what its nonces are made with. */
	readonly #nonceKey: Secret;
	/** Requests that are being signed, and who waits. */
	readonly #signing = new Map<
		string,
		{ readonly connection: number; readonly message: SignRequest }
	>();

	constructor(enrolments: Map<string, Enrolment>, random: RandomBytes) {
		this.#enrolments = enrolments;
		this.#nonceKey = new Secret(random(NONCE_BYTES));
	}

	/** Lets an EF enrol, anew if it did before; throws a RangeError for a weak key. */
	configure(ef: string, key: Secret): EnrolAucCommand[] {
		if (key.length < ENROL_KEY_BYTES) {
			throw new RangeError(
				`enrol ${ef}: key is shorter than ${ENROL_KEY_BYTES} bytes`,
			);
		}
		this.forget(ef);
		this.#enrolments.set(ef, { key, issued: undefined });
		return [{ type: "audit", record: { what: "enrol", ef } }];
	}

	/** It has come with a certificate: a key that served is of no use any more. */
	came(ef: string): void {
		if (this.#enrolments.get(ef)?.issued) this.forget(ef);
	}

	/** It is not let in any more: its key is of no use. */
	forget(ef: string): void {
		this.#enrolments.get(ef)?.key.wipe();
		this.#enrolments.delete(ef);
		this.#signing.delete(ef);
	}

	/** A message of somebody who says to be that EF. */
	message(connection: number, message: EnrolRequest): EnrolAucCommand[] {
		const { ef, nonce } = message;
		const enrolment = this.#enrolments.get(ef);
		if (!enrolment) return [];
		const aucNonce = this.#nonce(ef, nonce);
		if (message.type === "enrol") {
			const proof = proofOf(enrolment.key, "auc", ef, nonce, aucNonce);
			const reply = { type: "enrol-proof", nonce, aucNonce, proof } as const;
			return [{ type: "reply", connection, message: reply }];
		}
		const { request } = message;
		const about = [ef, nonce, aucNonce, request];
		const expected = proofOf(enrolment.key, "ef", ...about);
		if (!sameProof(expected, message.proof)) {
			const reason = "it does not prove that it has the key";
			return [{ type: "audit", record: { what: "enrol-refused", ef, reason } }];
		}
		if (enrolment.issued?.request === request) {
			return [this.#enrolled(connection, message, enrolment)];
		}
		const busy = this.#signing.get(ef)?.message.request === request;
		this.#signing.set(ef, { connection, message });
		return busy ? [] : [{ type: "sign", ef, request }];
	}

	/** A request is signed. */
	signed(ef: string, request: string, certificate: string): EnrolAucCommand[] {
		const enrolment = this.#enrolments.get(ef);
		const waiting = this.#signing.get(ef);
		if (!enrolment || waiting?.message.request !== request) return [];
		this.#signing.delete(ef);
		enrolment.issued = { request, certificate };
		return [
			{ type: "audit", record: { what: "enrolled", ef } },
			this.#enrolled(waiting.connection, waiting.message, enrolment),
		];
	}

	/** A request cannot be signed; the EF may try again. */
	unsigned(ef: string, request: string, reason: string): EnrolAucCommand[] {
		if (this.#signing.get(ef)?.message.request !== request) return [];
		this.#signing.delete(ef);
		return [{ type: "audit", record: { what: "enrol-refused", ef, reason } }];
	}

	#enrolled(
		connection: number,
		{ ef, nonce, request }: SignRequest,
		{ key, issued }: Enrolment,
	): EnrolAucCommand {
		const certificate = issued?.certificate ?? "";
		const about = [ef, nonce, this.#nonce(ef, nonce), request, certificate];
		const proof = proofOf(key, "certificate", ...about);
		const message = { type: "enrolled", nonce, certificate, proof } as const;
		return { type: "reply", connection, message };
	}

	#nonce(ef: string, nonce: string): string {
		return proofOf(this.#nonceKey, "auc", "nonce", ef, nonce);
	}
}
