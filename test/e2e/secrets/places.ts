/** Where secrets could lie: files, and what processes show of themselves. */
import {
	lstatSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	statSync,
} from "node:fs";
import { join } from "node:path";

export interface Place {
	readonly name: string;
	readonly bytes: Buffer;
	/** A file that nobody but its owner may read. */
	readonly isPrivate: boolean;
}

export function said(name: string, bytes: Buffer | string): Place {
	return { name, bytes: Buffer.from(bytes), isPrivate: false };
}

/** All files of a directory and those below it. */
export function filesIn(directory: string): Place[] {
	return readdirSync(directory, { recursive: true, encoding: "utf8" })
		.map((name) => join(directory, name))
		.filter((path) => lstatSync(path).isFile())
		.map((path) => ({
			name: path,
			bytes: readFileSync(path),
			isPrivate: (statSync(path).mode & 0o077) === 0,
		}));
}

/** Sockets of a directory and those below it. */
export function socketsIn(directory: string): string[] {
	return readdirSync(directory, { recursive: true, encoding: "utf8" })
		.map((name) => join(directory, name))
		.filter((path) => lstatSync(path).isSocket());
}

/** Arguments and environment of every process in the networks of a run. */
export function processesOf(run: string): Place[] {
	const networks = new Set(
		readdirSync("/run/netns")
			.filter((name) => name.includes(run))
			.map((name) => `net:[${statSync(join("/run/netns", name)).ino}]`),
	);
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => {
			try {
				if (!networks.has(readlinkSync(`/proc/${pid}/ns/net`))) return [];
				return ["cmdline", "environ"].map((name) =>
					said(`/proc/${pid}/${name}`, readFileSync(`/proc/${pid}/${name}`)),
				);
			} catch {
				/* It ended meanwhile. */
				return [];
			}
		});
}
