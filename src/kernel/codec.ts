/**
 * What the generated layout is made of: codecs between TypeScript values and
 * the bytes the kernel sees, and definitions of maps.
 */

/** Reads and writes one C type; `size` in bytes. */
export interface Codec<T> {
	readonly size: number;
	/** Writes all `size` bytes at `offset`, padding as zero. */
	write(value: T, buffer: Buffer, offset: number): void;
	/** The result shares no memory with `buffer`. */
	decode(buffer: Buffer, offset?: number): T;
}

export type MapType =
	| "hash"
	| "array"
	| "percpu_hash"
	| "percpu_array"
	| "lru_hash"
	| "lru_percpu_hash"
	| "lpm_trie"
	| "ringbuf";

/** A map as the C source declares it; `maxEntries` is the default size. */
export interface MapDefinition<K, V> {
	readonly name: string;
	readonly type: MapType;
	readonly maxEntries: number;
	readonly key: Codec<K>;
	readonly value: Codec<V>;
}

/** A ring buffer has neither key nor value; `maxEntries` is its size in bytes. */
export interface RingDefinition {
	readonly name: string;
	readonly type: "ringbuf";
	readonly maxEntries: number;
}

/** A bare __u32: the key of arrays. */
export const u32: Codec<number> = {
	size: 4,
	write: (value, buffer, offset) => {
		buffer.writeUInt32LE(value, offset);
	},
	decode: (buffer, offset = 0) => buffer.readUInt32LE(offset),
};

/** A bare __u64; see readU64 for its range. */
export const u64: Codec<number> = {
	size: 8,
	write: writeU64,
	decode: (buffer, offset = 0) => readU64(buffer, offset),
};

/** A new buffer that holds `value`. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
	const buffer = Buffer.alloc(codec.size);
	codec.write(value, buffer, 0);
	return buffer;
}

/**
 * A __u64 as a number: exact to 2^53, which is 104 days in nanoseconds and
 * 8 PiB in bytes; above that rounded to the nearest double.
 */
export function readU64(buffer: Buffer, offset: number): number {
	return (
		buffer.readUInt32LE(offset) + buffer.readUInt32LE(offset + 4) * 2 ** 32
	);
}

export function writeU64(value: number, buffer: Buffer, offset: number): void {
	buffer.writeBigUInt64LE(BigInt(value), offset);
}
