/**
 * Typed access to one eBPF map. Buffers of single operations are allocated
 * once a map; batches cost one system call for thousands of entries.
 */
import { closeSync } from "node:fs";
import type { MapDefinition, MapType } from "./codec.js";
import {
	check,
	EINTR,
	ENOENT,
	ENOSPC,
	KernelError,
	systemError,
} from "./error.js";
import { mapInfo } from "./info.js";
import { libbpf } from "./libbpf.js";

/** BPF_MAP_TYPE_… numbers of the kernel. */
export const MAP_TYPE_NUMBERS: Record<MapType, number> = {
	hash: 1,
	array: 2,
	percpu_hash: 5,
	percpu_array: 6,
	lru_hash: 9,
	lru_percpu_hash: 10,
	lpm_trie: 11,
	ringbuf: 27,
};

const BATCH = 2048;

/** Why a map in the kernel is not the one a definition means; "" if it is. */
export function misfit(
	fd: number,
	definition: MapDefinition<unknown, unknown>,
): string {
	const info = mapInfo(fd);
	const wanted: [string, number, number][] = [
		["type", info.type, MAP_TYPE_NUMBERS[definition.type]],
		["key bytes", info.keySize, definition.key.size],
		["value bytes", info.valueSize, definition.value.size],
	];
	return wanted
		.filter(([, has, wants]) => has !== wants)
		.map(([what, has, wants]) => `${what} ${has} instead of ${wants}`)
		.join(", ");
}

export class BpfMap<K, V> {
	readonly #lib = libbpf();
	readonly #key: Buffer;
	readonly #value: Buffer;
	readonly #cpus: number;
	/** Bytes of one value of one CPU, and of a whole entry's value. */
	readonly #slot: number;
	readonly #stride: number;
	#closed = false;

	/** `fd` stays the caller's, or the object's it comes from. */
	constructor(
		readonly fd: number,
		readonly definition: MapDefinition<K, V>,
	) {
		const perCpu = definition.type.includes("percpu");
		this.#cpus = perCpu ? check("count CPUs", this.#lib.cpus()) : 1;
		this.#slot = perCpu
			? Math.ceil(definition.value.size / 8) * 8
			: definition.value.size;
		this.#stride = this.#slot * this.#cpus;
		this.#key = Buffer.alloc(definition.key.size);
		this.#value = Buffer.alloc(this.#stride);
	}

	/** Opens a pinned map; refuses one of another layout. */
	static open<K, V>(
		path: string,
		definition: MapDefinition<K, V>,
	): BpfMap<K, V> {
		const fd = check(
			`open map ${path}`,
			libbpf().getPinned(path),
			"is the agent running on this node?",
		);
		const why = misfit(fd, definition);
		if (why === "") return new BpfMap(fd, definition);
		closeSync(fd);
		throw new KernelError(
			`open map ${path}`,
			`it has ${why}`,
			"another version of chainmail wrote it",
		);
	}

	/** Gives up the descriptor of a map that open() or createMap() returned. */
	close(): void {
		if (!this.#closed) closeSync(this.fd);
		this.#closed = true;
	}

	/** Number of entries the map can hold. */
	get capacity(): number {
		return mapInfo(this.fd).maxEntries;
	}

	/** Value of a key; of a per-CPU map the sum over all CPUs, field by field. */
	get(key: K): V | undefined {
		this.definition.key.write(key, this.#key, 0);
		const result = this.#lib.lookup(this.fd, this.#key, this.#value);
		if (result === -ENOENT) return undefined;
		if (result < 0) throw this.#error("look up", result);
		return this.#read(this.#value, 0);
	}

	/** Adds or replaces an entry. A per-CPU value goes to one CPU, the others to 0. */
	set(key: K, value: V): void {
		this.definition.key.write(key, this.#key, 0);
		this.#write(value, this.#value, 0);
		const result = this.#lib.update(this.fd, this.#key, this.#value, 0);
		if (result < 0) throw this.#error("update", result);
	}

	/** Whether there was such an entry. */
	delete(key: K): boolean {
		this.definition.key.write(key, this.#key, 0);
		const result = this.#lib.remove(this.fd, this.#key);
		if (result === -ENOENT) return false;
		if (result < 0) throw this.#error("delete", result);
		return true;
	}

	/**
	 * All entries. Entries that come or go meanwhile may be seen or not; every
	 * other one is seen, and once unless it is an LPM trie that changes meanwhile.
	 */
	*entries(): Generator<[K, V]> {
		const { key } = this.definition;
		for (const { keys, values, count } of this.#batches())
			for (let i = 0; i < count; i++)
				yield [
					key.decode(keys, i * key.size),
					this.#read(values, i * this.#stride),
				];
	}

	/** How many entries there are, a part at a time: their sum is the whole. */
	*counts(): Generator<number> {
		for (const { count } of this.#batches()) yield count;
	}

	*#batches(): Generator<{ keys: Buffer; values: Buffer; count: number }> {
		const { key } = this.definition;
		/* A hash bucket is read whole: more room is asked for until it fits. */
		for (let room = BATCH, from: Buffer | null = null; ; ) {
			const keys = Buffer.allocUnsafe(room * key.size);
			const values = Buffer.allocUnsafe(room * this.#stride);
			const count = new Uint32Array([room]);
			const to: Buffer = Buffer.alloc(Math.max(4, key.size));
			const result = this.#lib.lookupBatch(
				this.fd,
				from,
				to,
				keys,
				values,
				count,
				null,
			);
			if (result === -ENOSPC) {
				room *= 2;
				continue;
			}
			if (result < 0 && result !== -ENOENT && result !== -EINTR)
				throw this.#error("read", result);
			const [read = 0] = count;
			if (read > 0) yield { keys, values, count: read };
			if (result === -ENOENT) return;
			/* EINTR: a key vanished meanwhile; what was read until then counts. */
			if (read > 0) from = to;
		}
	}

	/** Values `first` … `first + count - 1` of an array map. */
	range(first: number, count: number): V[] {
		if (!this.definition.type.endsWith("array"))
			throw new KernelError(
				`read map ${this.definition.name}`,
				"it is no array",
				"use entries()",
			);
		if (count === 0) return [];
		const values = Buffer.allocUnsafe(count * this.#stride);
		const keys = Buffer.allocUnsafe(count * 4);
		const from = Buffer.alloc(4);
		from.writeUInt32LE(Math.max(0, first - 1));
		const done = new Uint32Array([count]);
		const result = this.#lib.lookupBatch(
			this.fd,
			first === 0 ? null : from,
			Buffer.alloc(4),
			keys,
			values,
			done,
			null,
		);
		if (result < 0 && result !== -ENOENT) throw this.#error("read", result);
		return Array.from({ length: done[0] ?? 0 }, (_, i) =>
			this.#read(values, i * this.#stride),
		);
	}

	/** Adds or replaces many entries, in order. */
	setBatch(entries: Iterable<readonly [K, V]>): void {
		const { key } = this.definition;
		for (const part of chunks(entries, BATCH)) {
			const keys = Buffer.allocUnsafe(part.length * key.size);
			const values = Buffer.allocUnsafe(part.length * this.#stride);
			part.forEach(([k, v], i) => {
				key.write(k, keys, i * key.size);
				this.#write(v, values, i * this.#stride);
			});
			const count = new Uint32Array([part.length]);
			const result = this.#lib.updateBatch(this.fd, keys, values, count, null);
			if (result < 0) throw this.#error("update", result);
		}
	}

	/** Deletes many keys; those that are not there are passed over. */
	deleteBatch(toDelete: Iterable<K>): void {
		const { key } = this.definition;
		for (const part of chunks(toDelete, BATCH)) {
			const keys = Buffer.allocUnsafe(part.length * key.size);
			part.forEach((k, i) => {
				key.write(k, keys, i * key.size);
			});
			/* The kernel stops at a missing key: go on behind it. */
			for (let start = 0; start < part.length; ) {
				const count = new Uint32Array([part.length - start]);
				const result = this.#lib.deleteBatch(
					this.fd,
					keys.subarray(start * key.size),
					count,
					null,
				);
				if (result >= 0) break;
				if (result !== -ENOENT) throw this.#error("delete", result);
				start += (count[0] ?? 0) + 1;
			}
		}
	}

	/** Deletes every entry of a map that is no array. */
	clear(): void {
		this.deleteBatch(Array.from(this.entries(), ([key]) => key));
	}

	#read(buffer: Buffer, offset: number): V {
		const { value } = this.definition;
		let total = value.decode(buffer, offset);
		for (let cpu = 1; cpu < this.#cpus; cpu++)
			total = add(total, value.decode(buffer, offset + cpu * this.#slot));
		return total;
	}

	#write(value: V, buffer: Buffer, offset: number): void {
		if (this.#cpus > 1) buffer.fill(0, offset, offset + this.#stride);
		this.definition.value.write(value, buffer, offset);
	}

	#error(what: string, result: number): KernelError {
		return systemError(`${what} map ${this.definition.name}`, result);
	}
}

/** A map of its own, not pinned, without an object: for probes and tests. */
export function createMap<K, V>(definition: MapDefinition<K, V>): BpfMap<K, V> {
	const { name, type, key, value, maxEntries } = definition;
	/* struct bpf_map_create_opts: size, then map_flags at 28. */
	const options = Buffer.alloc(48);
	options.writeBigUInt64LE(BigInt(options.length), 0);
	const NO_PREALLOC = 1;
	if (type === "lpm_trie") options.writeUInt32LE(NO_PREALLOC, 28);
	const fd = libbpf().createMap(
		MAP_TYPE_NUMBERS[type],
		name,
		key.size,
		value.size,
		maxEntries,
		options,
	);
	return new BpfMap(check(`create map ${name}`, fd), definition);
}

/** Sum of two decoded values: numbers, or objects of numbers. */
function add<V>(a: V, b: V): V {
	if (typeof a === "number") return ((a as number) + (b as number)) as V;
	const left = a as Record<string, unknown>;
	const right = b as Record<string, unknown>;
	for (const name in left)
		left[name] = (left[name] as number) + (right[name] as number);
	return a;
}

function* chunks<T>(items: Iterable<T>, size: number): Generator<T[]> {
	let part: T[] = [];
	for (const item of items) {
		part.push(item);
		if (part.length < size) continue;
		yield part;
		part = [];
	}
	if (part.length > 0) yield part;
}
