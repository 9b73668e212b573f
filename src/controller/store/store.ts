/**
 * What the controller keeps: ordered keys with JSON values, versions, and
 * commits that are all or nothing and durable once acknowledged. One embedded
 * engine today; the interface leaves room for one that is shared (etcd).
 */

export interface Entry {
	readonly key: string;
	readonly value: unknown;
	/** Number of the commit that wrote it; grows over the whole store. */
	readonly version: number;
}

/** `value: undefined` deletes the key. */
export interface Write {
	readonly key: string;
	readonly value: unknown;
}

/** The key must have this version at the commit; 0: must not exist. */
export interface Condition {
	readonly key: string;
	readonly version: number;
}

/** What a watcher is told, once a commit and in commit order. */
export interface Commit {
	readonly version: number;
	readonly writes: readonly Write[];
}

export interface Store {
	get(key: string): Promise<Entry | undefined>;
	/** All entries whose key starts with the prefix, in byte order of keys. */
	list(prefix: string): Promise<Entry[]>;
	/** Returns the version. */
	put(key: string, value: unknown): Promise<number>;
	delete(key: string): Promise<void>;
	/** Writes only over that version (0: only where absent); false: somebody was faster. */
	compareAndSwap(
		key: string,
		version: number,
		value: unknown,
	): Promise<boolean>;
	/** All writes or, where a condition fails, none; undefined: none. */
	transact(
		writes: readonly Write[],
		conditions?: readonly Condition[],
	): Promise<number | undefined>;
	/** Calls the listener after each commit that touches the prefix; returns the way to stop. */
	watch(prefix: string, listener: (commit: Commit) => void): () => void;
	/**
	 * Takes or renews the lease `name` for `owner`; false: another holds it. It
	 * ends by itself after `ttlMs` so that a dead owner blocks nobody for long.
	 */
	lease(name: string, owner: string, ttlMs: number): Promise<boolean>;
	release(name: string, owner: string): Promise<void>;
	close(): Promise<void>;
}

/** What an engine has to bring; `assemble` builds the rest on it. */
export interface Engine {
	get(key: string): Entry | undefined;
	list(prefix: string): Entry[];
	/** Durable when it returns; the commit's version, or undefined where a condition fails. */
	commit(
		writes: readonly Write[],
		conditions: readonly Condition[],
	): number | undefined;
	close(): void;
}

interface LeaseRecord {
	readonly owner: string;
	readonly untilMs: number;
}

/** A store over an engine of this process. */
export function assemble(engine: Engine, now: () => number = Date.now): Store {
	const watchers = new Set<{
		prefix: string;
		listener: (commit: Commit) => void;
	}>();

	function commit(
		writes: readonly Write[],
		conditions: readonly Condition[] = [],
	): number | undefined {
		const version = engine.commit(writes, conditions);
		if (version === undefined) return undefined;
		for (const { prefix, listener } of [...watchers]) {
			const seen = writes.filter((write) => write.key.startsWith(prefix));
			if (seen.length > 0) listener({ version, writes: seen });
		}
		return version;
	}

	const leaseKey = (name: string) => `lease/${name}`;

	return {
		get: async (key) => engine.get(key),
		list: async (prefix) => engine.list(prefix),
		async put(key, value) {
			return commit([{ key, value }]) ?? 0;
		},
		async delete(key) {
			commit([{ key, value: undefined }]);
		},
		async compareAndSwap(key, version, value) {
			return commit([{ key, value }], [{ key, version }]) !== undefined;
		},
		transact: async (writes, conditions) => commit(writes, conditions),
		watch(prefix, listener) {
			const watcher = { prefix, listener };
			watchers.add(watcher);
			return () => watchers.delete(watcher);
		},
		async lease(name, owner, ttlMs) {
			const key = leaseKey(name);
			const entry = engine.get(key);
			const held = entry?.value as LeaseRecord | undefined;
			if (held && held.owner !== owner && held.untilMs > now()) return false;
			const value: LeaseRecord = { owner, untilMs: now() + ttlMs };
			const version = entry?.version ?? 0;
			return commit([{ key, value }], [{ key, version }]) !== undefined;
		},
		async release(name, owner) {
			const entry = engine.get(leaseKey(name));
			if ((entry?.value as LeaseRecord | undefined)?.owner !== owner) return;
			commit(
				[{ key: leaseKey(name), value: undefined }],
				[{ key: leaseKey(name), version: entry?.version ?? 0 }],
			);
		},
		async close() {
			watchers.clear();
			engine.close();
		},
	};
}
