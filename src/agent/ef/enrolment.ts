/**
 * Gives the EF a key to enrol by, and the same one to the authentication centre
 * by way of the controller: a random one each time, kept nowhere else.
 */
import { randomBytes } from "node:crypto";
import { writeEnrolKey } from "../../functions/ef-process/identity.js";
import { ENROL_KEY_BYTES } from "../../keys/enrol-messages.js";
import { backOff } from "../../keys/tuning.js";

/** An EF that has not enrolled by then gets another key; doubles each time. */
const FIRST_MS = 5_000;
const LAST_MS = 300_000;

export class Enrolment {
	readonly #directory: string;
	readonly #send: ((key: Buffer) => boolean) | undefined;
	#tries = 0;
	#offeredMs = Number.NEGATIVE_INFINITY;

	/** `send`: makes it known to the centre; false: not now. */
	constructor(directory: string, send: ((key: Buffer) => boolean) | undefined) {
		this.#directory = directory;
		this.#send = send;
	}

	/** Whether the EF has a new key now; call it whenever the EF wants one. */
	offer(): boolean {
		const nowMs = performance.now();
		const sinceMs = nowMs - this.#offeredMs;
		/* The key before it served: this is about the next certificate. */
		if (sinceMs > LAST_MS) this.#tries = 0;
		if (
			this.#tries > 0 &&
			sinceMs < backOff(FIRST_MS, LAST_MS, this.#tries - 1)
		)
			return false;
		const key = randomBytes(ENROL_KEY_BYTES);
		try {
			if (!this.#send?.(key)) return false;
			writeEnrolKey(this.#directory, key);
		} finally {
			key.fill(0);
		}
		this.#tries++;
		this.#offeredMs = nowMs;
		return true;
	}
}
