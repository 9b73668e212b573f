/**
 * Bounds-checked reading of packet bytes. Every decoder of this folder reads
 * through a Reader, so that hostile input can only ever end in a DecodeError.
 */

/** Why a header could not be read: `layer: reason (at byte offset)`. */
export class DecodeError extends Error {
	override readonly name = "DecodeError";
	constructor(
		/** Protocol whose header is at fault, for example `ipv4`. */
		readonly layer: string,
		readonly reason: string,
		/** Where the header starts, in bytes from the start of the buffer. */
		readonly offset: number,
	) {
		super(`${layer}: ${reason} (at byte ${offset})`);
	}
}

/** A header and the offset of the first byte behind it. */
export interface Decoded<T> {
	readonly header: T;
	readonly next: number;
}

/** Sequential big-endian reader of one header. */
export class Reader {
	readonly #bytes: Buffer;
	readonly start: number;
	/** Next byte to be read, counted from the start of the buffer. */
	position: number;

	constructor(
		readonly layer: string,
		bytes: Uint8Array,
		offset = 0,
	) {
		this.#bytes = asBuffer(bytes);
		if (!Number.isInteger(offset) || offset < 0 || offset > bytes.length) {
			throw new DecodeError(layer, "starts outside the packet", offset);
		}
		this.start = offset;
		this.position = offset;
	}

	get remaining(): number {
		return this.#bytes.length - this.position;
	}

	fail(reason: string): never {
		throw new DecodeError(this.layer, reason, this.start);
	}

	u8(): number {
		return this.#bytes.readUInt8(this.#take(1));
	}

	u16(): number {
		return this.#bytes.readUInt16BE(this.#take(2));
	}

	u24(): number {
		return this.#bytes.readUIntBE(this.#take(3), 3);
	}

	u32(): number {
		return this.#bytes.readUInt32BE(this.#take(4));
	}

	/** A view, not a copy. */
	bytes(length: number): Buffer {
		const from = this.#take(length);
		return this.#bytes.subarray(from, from + length);
	}

	/** The header read so far, and where the next one starts. */
	done<T>(header: T): Decoded<T> {
		return { header, next: this.position };
	}

	#take(length: number): number {
		if (length > this.remaining) {
			const have = this.#bytes.length - this.start;
			const need = this.position - this.start + length;
			this.fail(`truncated: needs ${need} bytes, ${have} are there`);
		}
		const from = this.position;
		this.position += length;
		return from;
	}
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
	return Buffer.isBuffer(bytes)
		? bytes
		: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** `value`, or a RangeError that names the field when it needs more bits. */
export function field(name: string, value: number, bits: number): number {
	if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
		throw new RangeError(`encode: ${name} ${value} does not fit ${bits} bits`);
	}
	return value;
}
