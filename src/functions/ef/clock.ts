/** What time it is, read once for many packets. */

/** Milliseconds of CLOCK_MONOTONIC: alike in all threads and processes. */
export function monotonicMs(): number {
	return Number(process.hrtime.bigint()) / 1e6;
}

export class Clock {
	/** As monotonicMs(). */
	nowMs = monotonicMs();
	/** Since 1970. */
	wallMs = Date.now();

	/** Looks again. */
	tick(): void {
		this.nowMs = monotonicMs();
		this.wallMs = Date.now();
	}
}
