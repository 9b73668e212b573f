/** Which runs of the lab exist, who owns each, and how one is removed whole. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";

const RUNS = "/run/chainmail-lab";
const NETNS = "/run/netns";

export interface RunRecord {
	readonly run: string;
	/** Process that built it; its start time guards against a reused pid. */
	readonly pid: number;
	readonly startTime: string;
	/** Outlives its owner: only an explicit removal ends it. */
	readonly kept: boolean;
	/** Files and directories to remove with it: pins under bpffs, state, logs. */
	readonly paths: readonly string[];
}

/** A fresh run: `cm` and the run's id begin the names of all it makes. */
export function newRun(): RunRecord {
	return {
		run: randomBytes(3).toString("hex"),
		pid: process.pid,
		startTime: startTime(process.pid) ?? "",
		kept: false,
		paths: [],
	};
}

/** Prefix of every namespace of a run, also of those that agents make in it. */
export function namespacePrefix(run: string): string {
	return `cm${run}-`;
}

/** Written before anything is built, so that no crash can hide a run. */
export function writeRecord(record: RunRecord): void {
	mkdirSync(RUNS, { recursive: true, mode: 0o700 });
	/* Others list the runs meanwhile: they see the old record or the new one. */
	const next = join(RUNS, `${record.run}.new`);
	writeFileSync(next, JSON.stringify(record));
	renameSync(next, recordPath(record.run));
}

export function readRecord(run: string): RunRecord | undefined {
	try {
		return JSON.parse(readFileSync(recordPath(run), "utf8")) as RunRecord;
	} catch {
		return undefined;
	}
}

/** All runs on this machine. */
export function listRuns(): RunRecord[] {
	if (!existsSync(RUNS)) return [];
	return readdirSync(RUNS).flatMap((name) => {
		const record = readRecord(name.replace(/\.json$/, ""));
		return record === undefined ? [] : [record];
	});
}

/** Removes runs whose owner is gone; returns their ids. */
export function sweepStaleRuns(): string[] {
	const stale = listRuns().filter(
		(record) => !record.kept && startTime(record.pid) !== record.startTime,
	);
	for (const record of stale) removeRun(record);
	return stale.map((record) => record.run);
}

/** Namespaces of a run, by name. */
export function namespacesOf(run: string): string[] {
	if (!existsSync(NETNS)) return [];
	const prefix = namespacePrefix(run);
	return readdirSync(NETNS).filter((name) => name.startsWith(prefix));
}

/**
 * Ends what runs in the run's namespaces and removes them, then its files.
 * Synchronous: it has to work while a process exits.
 */
export function removeRun(record: RunRecord): void {
	// Agents may still add namespaces until they are gone: look twice.
	for (let round = 0; round < 3; round++) {
		const namespaces = namespacesOf(record.run);
		if (namespaces.length === 0) break;
		for (const pid of pidsIn(namespaces)) kill(pid);
		ip(namespaces.map((name) => `netns del ${name}`));
	}
	for (const path of record.paths)
		rmSync(path, { recursive: true, force: true });
	rmSync(recordPath(record.run), { force: true });
}

function pidsIn(namespaces: readonly string[]): number[] {
	return namespaces.flatMap((name) =>
		spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" })
			.stdout.split("\n")
			.filter((line) => line !== "")
			.map(Number)
			.filter((pid) => pid !== process.pid),
	);
}

function kill(pid: number): void {
	try {
		process.kill(pid, "SIGKILL");
	} catch {
		// It ended by itself.
	}
}

function ip(lines: readonly string[]): void {
	spawnSync("ip", ["-force", "-batch", "-"], { input: lines.join("\n") });
}

/** Start of a process in clock ticks since boot; undefined when it is gone. */
function startTime(pid: number): string | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
		// Fields follow the last parenthesis: the name may contain spaces.
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return fields[0] === "Z" ? undefined : fields[19];
	} catch {
		return undefined;
	}
}

function recordPath(run: string): string {
	return join(RUNS, `${run}.json`);
}
