/** The store without a disk: for dry runs and as the twin of the real engine. */
import { assemble, type Engine, type Store } from "./store.js";

export function memoryStore(now?: () => number): Store {
	// Text, not objects: what is read must not alias what was written.
	const rows = new Map<string, { text: string; version: number }>();
	let last = 0;

	const engine: Engine = {
		get(key) {
			const row = rows.get(key);
			return row && { key, value: JSON.parse(row.text), version: row.version };
		},
		list: (prefix) =>
			[...rows]
				.filter(([key]) => key.startsWith(prefix))
				.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
				.map(([key, row]) => ({
					key,
					value: JSON.parse(row.text),
					version: row.version,
				})),
		commit(writes, conditions) {
			for (const { key, version } of conditions) {
				if ((rows.get(key)?.version ?? 0) !== version) return undefined;
			}
			const version = ++last;
			for (const { key, value } of writes) {
				if (value === undefined) rows.delete(key);
				else rows.set(key, { text: JSON.stringify(value), version });
			}
			return version;
		},
		close() {},
	};
	return assemble(engine, now);
}
