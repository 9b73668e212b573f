/** State and secrets in files: written whole or not at all, for the owner only. */
import {
	chmodSync,
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Creates the directory, or narrows an existing one, to mode 0700. */
export function privateDirectory(path: string): void {
	mkdirSync(path, { recursive: true, mode: 0o700 });
	chmodSync(path, 0o700);
}

/** Writes with mode 0600 and syncs before the name points at it. */
export function writePrivate(path: string, text: string | Uint8Array): void {
	mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
	const next = `${path}.${process.pid}.new`;
	try {
		const file = openSync(next, "w", 0o600);
		try {
			/* Of a descriptor it writes all, where a single write may stop short. */
			writeFileSync(file, text);
			fsyncSync(file);
		} finally {
			closeSync(file);
		}
		renameSync(next, path);
	} catch (error) {
		rmSync(next, { force: true });
		throw error;
	}
	const directory = openSync(dirname(path), "r");
	fsyncSync(directory);
	closeSync(directory);
}

/** As `writePrivate`, without holding up the process; one at a time for a path. */
export async function writePrivateLater(
	path: string,
	bytes: Uint8Array,
): Promise<void> {
	const next = `${path}.${process.pid}.new`;
	try {
		const file = await open(next, "w", 0o600);
		try {
			await file.writeFile(bytes);
			await file.sync();
		} finally {
			await file.close();
		}
		await rename(next, path);
	} catch (error) {
		rmSync(next, { force: true });
		throw error;
	}
	const directory = await open(dirname(path), "r");
	await directory.sync();
	await directory.close();
}

/** Whether others than its owner may read, change or run it; throws where it is not. */
export function isOpenToOthers(path: string): boolean {
	return (statSync(path).mode & 0o077) !== 0;
}

/** A file's text; undefined where there is no such file. */
export function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
