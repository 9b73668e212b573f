/** A map of the kernel's in memory, which remembers every write in order. */
import { textOf } from "./encode.js";
import type { Table } from "./sync.js";

export class MemoryTable<K, V> implements Table<K, V> {
	readonly #entries = new Map<string, [K, V]>();
	readonly capacity: number;

	/** `log` is shared by the tables of a test: it shows the order of writes. */
	constructor(
		readonly name: string,
		readonly log: string[] = [],
		capacity = 1024,
	) {
		this.capacity = capacity;
	}

	get size(): number {
		return this.#entries.size;
	}

	get(key: K): V | undefined {
		return this.#entries.get(textOf(key))?.[1];
	}

	set(key: K, value: V): void {
		this.log.push(`set ${this.name}`);
		this.#entries.set(textOf(key), [key, value]);
	}

	delete(key: K): boolean {
		this.log.push(`delete ${this.name}`);
		return this.#entries.delete(textOf(key));
	}

	entries(): [K, V][] {
		return [...this.#entries.values()];
	}

	setBatch(entries: Iterable<readonly [K, V]>): void {
		for (const [key, value] of entries) this.set(key, value);
	}

	deleteBatch(keys: Iterable<K>): void {
		for (const key of [...keys]) this.delete(key);
	}
}
