/**
 * The store in one SQLite file: write-ahead log, every commit synced before it
 * is acknowledged, so that neither a killed process nor a power cut loses one.
 */
import { closeSync, openSync } from "node:fs";
import Database from "libsql";
import { assemble, type Engine, type Entry, type Store } from "./store.js";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS entries (
	key TEXT PRIMARY KEY COLLATE BINARY,
	value TEXT NOT NULL,
	version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	version INTEGER NOT NULL
);
INSERT OR IGNORE INTO counter VALUES (1, 0);
`;

/** How long a commit waits for another process that holds the file. */
const BUSY_TIMEOUT_MS = 5000;

interface Row {
	key: string;
	value: string;
	version: number;
}

const entryOf = (row: Row): Entry => ({
	key: row.key,
	value: JSON.parse(row.value),
	version: row.version,
});

/** Opens or creates the file; throws where it is no database or not writable. */
export function sqliteStore(path: string, now?: () => number): Store {
	const db = open(path);
	const find = db.prepare(
		"SELECT key, value, version FROM entries WHERE key = ?",
	);
	// An upper bound instead of LIKE: prefixes may hold any character.
	const scan = db.prepare(
		"SELECT key, value, version FROM entries WHERE key >= ? AND key < ? ORDER BY key",
	);
	const count = db.prepare(
		"UPDATE counter SET version = version + 1 RETURNING version",
	);
	const upsert = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)");
	const remove = db.prepare("DELETE FROM entries WHERE key = ?");

	const commit: Engine["commit"] = (writes, conditions) => {
		// IMMEDIATE: the conditions hold until the commit, whoever else has the file.
		db.exec("BEGIN IMMEDIATE");
		try {
			for (const { key, version } of conditions) {
				const row = find.get(key) as Row | undefined;
				if ((row?.version ?? 0) !== version) {
					db.exec("ROLLBACK");
					return undefined;
				}
			}
			const { version } = count.get() as { version: number };
			for (const { key, value } of writes) {
				if (value === undefined) remove.run(key);
				else upsert.run(key, JSON.stringify(value), version);
			}
			db.exec("COMMIT");
			return version;
		} catch (error) {
			if (db.inTransaction) db.exec("ROLLBACK");
			throw error;
		}
	};

	const engine: Engine = {
		get(key) {
			const row = find.get(key) as Row | undefined;
			return row && entryOf(row);
		},
		list: (prefix) =>
			(scan.all(prefix, `${prefix}\u{10ffff}`) as Row[]).map(entryOf),
		commit,
		close: () => db.close(),
	};
	return assemble(engine, now);
}

function open(path: string): Database.Database {
	try {
		// SQLite gives its log the mode of the file: the owner's only.
		closeSync(openSync(path, "a", 0o600));
		const db = new Database(path);
		db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
		db.exec("PRAGMA journal_mode = WAL");
		db.exec("PRAGMA synchronous = FULL");
		db.exec(SCHEMA);
		return db;
	} catch (error) {
		throw new Error(
			`store ${path}: ${error instanceof Error ? error.message : error} (is the directory writable and the file a controller's?)`,
			{ cause: error },
		);
	}
}
