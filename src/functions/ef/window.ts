/**
 * Anti-replay window (RFC 4303 §3.4.3) with extended sequence numbers recovered
 * from the 32 bits that travel (appendix A2). Numbers are two 32-bit halves:
 * 64 bits are more than a JavaScript number holds.
 */
import { Refusal } from "./refusal.js";

/** How far behind the highest number a packet may come, in packets. */
export const WINDOW_PACKETS = 1024;

const MAX_WORD = 0xffffffff;
const WORD_RANGE = 2 ** 32;
const WORD_BITS = 32;
/** A ring of bits, as in RFC 6479: a power of two of words, beyond the window. */
const RING_WORDS = 64;
const RING_PACKETS = RING_WORDS * WORD_BITS;

export class ReplayWindow {
	readonly #seen = new Uint32Array(RING_WORDS);
	readonly #extended: boolean;
	#topHigh: number;
	#topLow: number;

	/** `last`: the highest number received so far; all up to it count as seen. */
	constructor(extended: boolean, last = 0n) {
		this.#extended = extended;
		this.#topHigh = Number(last >> 32n);
		this.#topLow = Number(last & 0xffffffffn);
		/* Zero is never sent (RFC 4303 §3.3.3). */
		this.#seen.fill(MAX_WORD);
	}

	/** The highest number received. */
	get last(): bigint {
		return (BigInt(this.#topHigh) << 32n) | BigInt(this.#topLow);
	}

	/**
	 * Upper half of a number whose lower half has come: of the number that lies
	 * in the window or ahead of it. Outside of 32 bits where there is none.
	 */
	recoverHigh(low: number): number {
		if (!this.#extended) return 0;
		const bottom = this.#topLow - WINDOW_PACKETS + 1;
		if (bottom >= 0) return low >= bottom ? this.#topHigh : this.#topHigh + 1;
		return low >= bottom + WORD_RANGE ? this.#topHigh - 1 : this.#topHigh;
	}

	/** Before decryption: 0, or why the packet need not be looked at. */
	judge(high: number, low: number): number {
		/* A wrapped upper half would authenticate the oldest packets again. */
		if (high < 0 || high > MAX_WORD) return Refusal.tooOld;
		const behind = this.#behind(high, low);
		if (behind < 0) return 0;
		if (behind >= WINDOW_PACKETS) return Refusal.tooOld;
		const word = this.#seen[wordOf(low)] ?? MAX_WORD;
		return word & bitOf(low) ? Refusal.replayed : 0;
	}

	/** Once the packet has proved genuine. */
	accept(high: number, low: number): void {
		const ahead = -this.#behind(high, low);
		if (ahead > 0) {
			this.#forget(ahead, low);
			this.#topHigh = high;
			this.#topLow = low;
		}
		const at = wordOf(low);
		this.#seen[at] = (this.#seen[at] ?? 0) | bitOf(low);
	}

	#behind(high: number, low: number): number {
		return (this.#topHigh - high) * WORD_RANGE + (this.#topLow - low);
	}

	/** Clears the numbers above the old top, up to `low`. */
	#forget(ahead: number, low: number): void {
		if (ahead >= RING_PACKETS) {
			this.#seen.fill(0);
			return;
		}
		/* The rest of the old top's word lies ahead of it. */
		const top = wordOf(this.#topLow);
		const kept = this.#topLow % WORD_BITS;
		const mask = kept === WORD_BITS - 1 ? MAX_WORD : (2 << kept) - 1;
		this.#seen[top] = (this.#seen[top] ?? 0) & mask;
		const words = Math.floor((kept + ahead) / WORD_BITS);
		for (let i = 0; i < words; i++)
			this.#seen[(wordOf(low) - i + RING_WORDS) % RING_WORDS] = 0;
	}
}

function wordOf(low: number): number {
	return (low >>> 5) % RING_WORDS;
}

function bitOf(low: number): number {
	return 1 << (low % WORD_BITS);
}
