/** Brings a whole hash map of the kernel to its wanted content. */
import { textOf } from "./encode.js";

/** The part of BpfMap that tables need. */
export interface Table<K, V> {
	get(key: K): V | undefined;
	set(key: K, value: V): void;
	delete(key: K): boolean;
	entries(): Iterable<[K, V]>;
	setBatch(entries: Iterable<readonly [K, V]>): void;
	deleteBatch(keys: Iterable<K>): void;
}

/** Adds and changes first, then removes: what is wanted throughout is never gone. */
export function sync<K, V>(
	table: Table<K, V>,
	wanted: Iterable<readonly [K, V]>,
): void {
	add(table, wanted);
	prune(table, wanted);
}

/** Writes entries that are missing or different, and no other. */
export function add<K, V>(
	table: Table<K, V>,
	wanted: Iterable<readonly [K, V]>,
): void {
	table.setBatch(
		[...wanted].filter(([key, value]) => {
			const present = table.get(key);
			return present === undefined || textOf(present) !== textOf(value);
		}),
	);
}

/** Removes entries that are not wanted. */
export function prune<K, V>(
	table: Table<K, V>,
	wanted: Iterable<readonly [K, unknown]>,
): void {
	const keep = new Set(Array.from(wanted, ([key]) => textOf(key)));
	table.deleteBatch(
		Array.from(table.entries(), ([key]) => key).filter(
			(key) => !keep.has(textOf(key)),
		),
	);
}
