/** Files of the data directory: written whole or not at all, for the owner only. */
import {
	chmodSync,
	closeSync,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	writeSync,
} from "node:fs";
import { dirname } from "node:path";

/** Creates the directory, or narrows an existing one, to mode 0700. */
export function privateDirectory(path: string): void {
	mkdirSync(path, { recursive: true, mode: 0o700 });
	chmodSync(path, 0o700);
}

/** Writes with mode 0600 and syncs before the name points at it. */
export function writePrivate(path: string, text: string): void {
	const next = `${path}.${process.pid}.new`;
	const file = openSync(next, "w", 0o600);
	try {
		writeSync(file, text);
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
	renameSync(next, path);
	const directory = openSync(dirname(path), "r");
	fsyncSync(directory);
	closeSync(directory);
}

export function readIfThere(path: string): string | undefined {
	return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
