/** The datagrams of the UDP stream: what sender and receiver agree on. */

/** Smallest payload: sequence number, stream id. */
export const HEADER_BYTES = 8;
/** Sequence number of the datagrams that end a stream. */
export const END = 0xffff_ffff;

export function encode(
	buffer: Buffer,
	stream: number,
	sequence: number,
): Buffer {
	buffer.writeUInt32BE(sequence, 0);
	buffer.writeUInt32BE(stream, 4);
	return buffer;
}

export interface StreamReport {
	readonly received: number;
	/** Arrived after one with a larger number. */
	readonly reordered: number;
	readonly duplicated: number;
	/** Longest time between two arrivals in milliseconds. */
	readonly longestGapMs: number;
}

/** Judges a stream packet by packet; memory is one bit a packet. */
export class StreamJudge {
	#seen = new Uint8Array(1 << 16);
	#largest = -1;
	#received = 0;
	#reordered = 0;
	#duplicated = 0;
	#lastMs: number | undefined;
	#longestGapMs = 0;

	take(sequence: number, nowMs: number): void {
		if (this.#lastMs !== undefined)
			this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastMs);
		this.#lastMs = nowMs;
		if (this.#mark(sequence)) {
			this.#duplicated++;
			return;
		}
		this.#received++;
		if (sequence < this.#largest) this.#reordered++;
		else this.#largest = sequence;
	}

	report(): StreamReport {
		return {
			received: this.#received,
			reordered: this.#reordered,
			duplicated: this.#duplicated,
			longestGapMs: this.#longestGapMs,
		};
	}

	/** Marks a number as seen; true when it already was. */
	#mark(sequence: number): boolean {
		const index = sequence >>> 3;
		if (index >= this.#seen.length) {
			const larger = new Uint8Array(Math.max(index + 1, this.#seen.length * 2));
			larger.set(this.#seen);
			this.#seen = larger;
		}
		const bit = 1 << (sequence & 7);
		const byte = this.#seen[index] ?? 0;
		this.#seen[index] = byte | bit;
		return (byte & bit) !== 0;
	}
}
