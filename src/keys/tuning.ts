/** Choices of ours, apart from what specifications fix. */
export interface Tuning {
	/** First pause before a request is sent again; doubles each time. */
	readonly retransmitMs: number;
	readonly retransmitMaxMs: number;
	/** After the sender let an SA go: how long its packets may still be on their way. */
	readonly drainMs: number;
	/**
	 * The receiver keeps an SA so much longer than the sender, and the centre
	 * remembers it twice that long: requests and clocks may be so late.
	 */
	readonly graceMs: number;
	/** A successor is asked for after this share of the hard lifetime at the latest … */
	readonly softShare: number;
	/** … and earlier by up to this share, by chance: links must not rekey in step. */
	readonly jitterShare: number;
	/**
	 * A successor gets so long at least to be in use, or half the lifetime: messages
	 * may be lost, machines busy.
	 */
	readonly marginMs: number;
	/** First pause after a refusal; doubles each time. */
	readonly refusedMs: number;
	readonly refusedMaxMs: number;
	/** An EF says so often how much its SAs were used, and that it is there. */
	readonly usageMs: number;
}

export const TUNING: Tuning = {
	retransmitMs: 250,
	retransmitMaxMs: 10_000,
	drainMs: 500,
	graceMs: 2_000,
	softShare: 0.8,
	jitterShare: 0.1,
	marginMs: 1_000,
	refusedMs: 1_000,
	refusedMaxMs: 60_000,
	usageMs: 5_000,
};

/** Pause before try number `tries`, counted from 0. */
export function backOff(firstMs: number, maxMs: number, tries: number): number {
	return Math.min(maxMs, firstMs * 2 ** Math.min(tries, 30));
}
