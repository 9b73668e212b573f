/** An EF on its way to its certificate; see enrol-messages.ts. */
import {
	type EnrolReply,
	type EnrolRequest,
	NONCE_BYTES,
	proofOf,
	sameProof,
} from "./enrol-messages.js";
import type { RandomBytes, Secret } from "./secret.js";
import { backOff, type Tuning } from "./tuning.js";

export type EnrolCommand =
	| { readonly type: "send"; readonly message: EnrolRequest }
	/** Proved to come from the centre. */
	| { readonly type: "enrolled"; readonly certificate: string };

export class EnrolEf {
	readonly #ef: string;
	readonly #key: Secret;
	readonly #request: string;
	readonly #tuning: Tuning;
	readonly #nonce: string;
	#aucNonce: string | undefined;
	#done = false;
	#dueMs = 0;
	#tries = 0;

	/** `key` is the pre-configured one, wiped once it has served; `request` a PEM. */
	constructor(options: {
		readonly ef: string;
		readonly key: Secret;
		readonly request: string;
		readonly tuning: Tuning;
		readonly random: RandomBytes;
	}) {
		this.#ef = options.ef;
		this.#key = options.key;
		this.#request = options.request;
		this.#tuning = options.tuning;
		this.#nonce = options.random(NONCE_BYTES).toString("hex");
	}

	/** Sends what is due; first of all its greeting. */
	time(nowMs: number): EnrolCommand[] {
		if (this.#done || nowMs < this.#dueMs) return [];
		const { retransmitMs, retransmitMaxMs } = this.#tuning;
		this.#dueMs = nowMs + backOff(retransmitMs, retransmitMaxMs, this.#tries++);
		return [{ type: "send", message: this.#message() }];
	}

	/** A reply; one that proves nothing is passed over. */
	message(reply: EnrolReply, nowMs: number): EnrolCommand[] {
		if (this.#done || reply.nonce !== this.#nonce) return [];
		const about = [this.#ef, this.#nonce];
		if (reply.type === "enrol-proof") {
			const { aucNonce, proof } = reply;
			if (aucNonce === this.#aucNonce) return [];
			const expected = proofOf(this.#key, "auc", ...about, aucNonce);
			if (!sameProof(expected, proof)) return [];
			/* Also when it is another one: the centre has started anew. */
			this.#aucNonce = aucNonce;
			this.#dueMs = nowMs;
			this.#tries = 0;
			return this.time(nowMs);
		}
		if (this.#aucNonce === undefined) return [];
		const { certificate, proof } = reply;
		const all = [...about, this.#aucNonce, this.#request, certificate];
		const expected = proofOf(this.#key, "certificate", ...all);
		if (!sameProof(expected, proof)) return [];
		this.#done = true;
		this.#key.wipe();
		return [{ type: "enrolled", certificate }];
	}

	/** When `time` has something to do next. */
	get nextMs(): number {
		return this.#done ? Number.POSITIVE_INFINITY : this.#dueMs;
	}

	#message(): EnrolRequest {
		const [ef, nonce, request] = [this.#ef, this.#nonce, this.#request];
		/* Every other time from the beginning: the centre may have forgotten. */
		if (this.#aucNonce === undefined || this.#tries % 4 === 0) {
			return { type: "enrol", ef, nonce };
		}
		const proof = proofOf(this.#key, "ef", ef, nonce, this.#aucNonce, request);
		return { type: "enrol-sign", ef, nonce, request, proof };
	}
}
