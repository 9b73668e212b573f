/**
 * Why an encryption function keeps a packet back: every packet that does not
 * come out counts under exactly one of these.
 */

/** Negative, so that they share a return value with lengths. */
export const Refusal = {
	/** Inside: neither IPv4 nor IPv6, in a tunnel or bare. */
	notIp: -1,
	/** Outside: not ESP; plaintext among it. */
	notEsp: -2,
	/** Lengths that contradict each other, another NSH, fragments, wrong padding. */
	malformed: -3,
	/** The kernel left its checksum or segmentation to a device. */
	unfinished: -4,
	/** It would not fit the other side's MTU. */
	tooBig: -5,
	/** No SA for the path of its NSH. */
	unknownPath: -6,
	/** No SA of its SPI. */
	unknownSpi: -7,
	/** The SA has used up its lifetime or its sequence numbers. */
	expired: -8,
	/** Its sequence number lies before the window. */
	tooOld: -9,
	replayed: -10,
	/** Forged, changed on its way, or of another key. */
	badIcv: -11,
	/** Under the NSH of another path than its SA's, or without one. */
	wrongPath: -12,
	/** Marked as congested on its way, of a sender that knows no ECN (RFC 6040 §4.2). */
	congested: -13,
	/** Next header 59: made to hide the traffic's shape (RFC 4303 §2.6). */
	dummy: -14,
	/** The interface of the other side takes no frames, or not fast enough. */
	noRoom: -15,
	/** Its MAC is forged, it was changed on its way, or of another key. */
	badMac: -16,
	/** Signed too long ago, or in the future: clocks differ, or it was held back. */
	stale: -17,
	/** It found no free slot in the receive ring: the engine is too slow, or hung. */
	overrun: -18,
} as const;

export type RefusalName = keyof typeof Refusal;
export type RefusalCode = (typeof Refusal)[RefusalName];

const NAMES = Object.keys(Refusal) as RefusalName[];

/** How many packets were refused, by reason. */
export type Refusals = Readonly<Record<RefusalName, number>>;

export class RefusalCounters {
	/** By the negated code. */
	readonly #counts = new Float64Array(NAMES.length + 1);

	count(code: number): void {
		const at = -code;
		this.#counts[at] = (this.#counts[at] ?? 0) + 1;
	}

	read(): Refusals {
		const entries = NAMES.map((name) => [
			name,
			this.#counts[-Refusal[name]] ?? 0,
		]);
		return Object.fromEntries(entries) as Refusals;
	}
}
