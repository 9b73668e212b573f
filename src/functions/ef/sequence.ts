/** Sequence numbers of an SA that sends: each is used once, none wraps. */
import type { Lifetime, SaSpec } from "./sa.js";

const MAX_WORD = 0xffffffff;
/** With this part of the numbers left a successor is asked for. */
const SPARE_NUMBERS = 1 / 16;
/** Of the upper half where numbers are extended, of the lower where not. */
const WARN_FROM = Math.ceil(MAX_WORD * (1 - SPARE_NUMBERS));

export class Sequence {
	/** The number in use, in two halves. */
	high: number;
	low: number;
	readonly #extended: boolean;
	readonly #lifetime: Lifetime;

	constructor(
		spec: Pick<SaSpec, "extended" | "lastSequence">,
		lifetime: Lifetime,
	) {
		const last = spec.lastSequence ?? 0n;
		this.high = Number(last >> 32n);
		this.low = Number(last & 0xffffffffn);
		this.#extended = spec.extended;
		this.#lifetime = lifetime;
	}

	get last(): bigint {
		return (BigInt(this.high) << 32n) | BigInt(this.low);
	}

	/** Takes the next number; false where the last one has been used. */
	countUp(): boolean {
		if (this.low !== MAX_WORD) {
			this.low++;
		} else if (this.#extended && this.high !== MAX_WORD) {
			this.high++;
			this.low = 0;
		} else {
			this.#lifetime.end("sequence");
			return false;
		}
		const decisive = this.#extended ? this.high : this.low;
		if (decisive >= WARN_FROM) this.#lifetime.warn("sequence");
		if (this.low === MAX_WORD && (!this.#extended || this.high === MAX_WORD))
			this.#lifetime.end("sequence");
		return true;
	}
}
