/**
 * Commands that end (run), and processes that outlive us (spawnDetached): those
 * are known again by pid and start time, so that no other process that got the
 * same pid is ever taken for them. No shell anywhere.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import * as koffi from "koffi";
import { withNetns } from "./enter.js";
import { KernelError, systemError } from "./error.js";

export interface RunOptions {
	/** Namespace by name; where this process is if absent. */
	readonly netns?: string | undefined;
	/** Written to its standard input. */
	readonly input?: string | Uint8Array;
	/** 10,000 where absent. */
	readonly timeoutMs?: number;
	/** Bytes of each output; 16 MiB where absent. More ends the command. */
	readonly maxOutput?: number;
	/** What mends a failure, for the error message. */
	readonly fix?: string;
}

export interface Output {
	readonly stdout: string;
	readonly stderr: string;
}

/** Debian package by command, for the error message. */
const PACKAGES: Record<string, string> = {
	ip: "iproute2",
	nft: "nftables",
	tc: "iproute2",
	ethtool: "ethtool",
	mount: "mount",
};

/** Runs a command to its end; rejects unless it exits with 0. */
export function run(
	argv: readonly [string, ...string[]],
	options: RunOptions = {},
): Promise<Output> {
	const [command, ...args] = argv;
	const { timeoutMs = 10_000, maxOutput = 1 << 24 } = options;
	const operation = shown(argv);
	return new Promise((resolve, reject) => {
		let child: ChildProcess;
		try {
			child = withNetns<ChildProcess>(options.netns, () =>
				spawn(command, args, { stdio: "pipe" }),
			);
		} catch (error) {
			reject(error);
			return;
		}
		let stopped: string | undefined;
		const stop = (why: string): void => {
			stopped ??= why;
			child.kill("SIGKILL");
		};
		const timer = setTimeout(
			() => stop(`no end after ${timeoutMs} ms`),
			timeoutMs,
		);
		const out = collect(child.stdout, maxOutput, stop);
		const err = collect(child.stderr, maxOutput, stop);
		child.on("error", (error: NodeJS.ErrnoException) => {
			clearTimeout(timer);
			reject(startError(operation, command, error));
		});
		child.on("close", (code, signal) => {
			clearTimeout(timer);
			const output = { stdout: out(), stderr: err() };
			if (code === 0 && stopped === undefined) return resolve(output);
			const said = output.stderr.trim() || output.stdout.trim().slice(-500);
			const cause =
				stopped ??
				(said || (signal ? `ended by ${signal}` : `exit status ${code}`));
			reject(
				new KernelError(operation, cause, options.fix, { log: output.stderr }),
			);
		});
		/* A command that ends without reading its input is no failure by itself. */
		child.stdin?.on("error", () => {});
		child.stdin?.end(options.input);
	});
}

function collect(
	stream: ChildProcess["stdout"],
	max: number,
	stop: (why: string) => void,
): () => string {
	const parts: Buffer[] = [];
	let size = 0;
	stream?.on("data", (part: Buffer) => {
		size += part.length;
		if (size > max) stop(`more than ${max} bytes of output`);
		else parts.push(part);
	});
	return () => Buffer.concat(parts).toString("utf8");
}

function shown(argv: readonly string[]): string {
	return argv
		.map((arg) => (/^[\w./:@%+=,-]+$/.test(arg) ? arg : JSON.stringify(arg)))
		.join(" ");
}

function startError(
	operation: string,
	command: string,
	error: NodeJS.ErrnoException,
): KernelError {
	const code = error.code ?? "failed";
	const missing = PACKAGES[command]
		? `apt-get install ${PACKAGES[command]}`
		: "is the program installed?";
	return new KernelError(
		operation,
		code,
		code === "ENOENT" ? missing : undefined,
		{ code },
	);
}

/** One process for ever: pids come again, the pair does not until a reboot. */
export interface ProcessId {
	readonly pid: number;
	/** Clock ticks between boot and its start, /proc/PID/stat field 22. */
	readonly startTime: number;
}

/** Where programs are looked for where the environment does not say. */
export const DEFAULT_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

export interface SpawnOptions {
	readonly netns?: string | undefined;
	/** Both outputs are appended there; made with mode 0600. */
	readonly logFile: string;
	readonly cwd?: string;
	/** Its whole environment, beside PATH: ours may hold secrets. */
	readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a process in a session of its own: it lives on when we end. Resolves
 * once the program runs; rejects where it cannot be started.
 */
export async function spawnDetached(
	argv: readonly [string, ...string[]],
	options: SpawnOptions,
): Promise<ProcessId> {
	const [command, ...args] = argv;
	const log = openSync(options.logFile, "a", 0o600);
	try {
		const child = withNetns<ChildProcess>(options.netns, () =>
			spawn(command, args, {
				detached: true,
				stdio: ["ignore", log, log],
				env: {
					PATH: process.env.PATH ?? DEFAULT_PATH,
					...options.env,
				},
				...(options.cwd === undefined ? {} : { cwd: options.cwd }),
			}),
		);
		/* Read before anything is awaited: until then its exit is not reaped. */
		const startTime =
			child.pid === undefined ? undefined : readStat(child.pid)?.startTime;
		await new Promise<void>((resolve, reject) => {
			child.once("spawn", resolve);
			child.once("error", (error) =>
				reject(startError(shown(argv), command, error)),
			);
		});
		child.unref();
		if (child.pid === undefined || startTime === undefined)
			throw new KernelError(
				shown(argv),
				"it ended at once",
				`see ${options.logFile}`,
			);
		return { pid: child.pid, startTime };
	} finally {
		closeSync(log);
	}
}

/** Whether that very process still runs; a zombie does not. */
export function isRunning(id: ProcessId): boolean {
	const stat = readStat(id.pid);
	return (
		stat !== undefined &&
		stat.startTime === id.startTime &&
		!"ZX".includes(stat.state)
	);
}

/** Identity of a running process; undefined where no process has this pid. */
export function identify(pid: number): ProcessId | undefined {
	const stat = readStat(pid);
	return stat && { pid, startTime: stat.startTime };
}

function readStat(
	pid: number,
): { state: string; startTime: number } | undefined {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, "latin1");
		/* Field 2, the name, is in brackets and may hold anything. */
		const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
		return { state: fields[0] ?? "X", startTime: Number(fields[19]) };
	} catch {
		return undefined;
	}
}

const libc = koffi.load(null);
const syscall: (number: number, pid: number, flags: number) => number =
	libc.func("long syscall(long number, int pid, int flags)");
/** The same number on every architecture. */
const SYS_PIDFD_OPEN = 434;

export interface Watch {
	close(): void;
}

/**
 * Calls `ended` once when the process ends, child of ours or not; in a later
 * turn of the event loop where it has ended already.
 */
export function watchExit(id: ProcessId, ended: () => void): Watch {
	const fd = syscall(SYS_PIDFD_OPEN, id.pid, 0);
	/* Compared after opening: the descriptor then is of that very process. */
	if (fd < 0 || !isRunning(id)) {
		if (fd >= 0) closeSync(fd);
		const soon = setImmediate(ended);
		return { close: () => clearImmediate(soon) };
	}
	let open = true;
	const close = (): void => {
		if (!open) return;
		open = false;
		poll.close();
		closeSync(fd);
	};
	const poll = koffi.node.poll(fd, { readable: true }, () => {
		close();
		ended();
	});
	return { close };
}

/**
 * Ends a process of spawnDetached and what it started in its session: SIGTERM,
 * after `graceMs` SIGKILL. Does nothing where that very process is gone.
 */
export async function terminate(id: ProcessId, graceMs = 2000): Promise<void> {
	if (!isRunning(id)) return;
	await new Promise<void>((resolve) => {
		const timer = setTimeout(
			() => isRunning(id) && signalGroup(id.pid, "SIGKILL"),
			graceMs,
		);
		watchExit(id, () => {
			clearTimeout(timer);
			resolve();
		});
		signalGroup(id.pid, "SIGTERM");
	});
	/* Members left behind keep the number taken: no other group can have it. */
	signalGroup(id.pid, "SIGKILL");
}

function signalGroup(leader: number, signal: "SIGTERM" | "SIGKILL"): void {
	try {
		process.kill(-leader, signal);
	} catch (error) {
		const { errno = 0, code } = error as NodeJS.ErrnoException;
		if (code !== "ESRCH") throw systemError(`${signal} to ${leader}`, errno);
	}
}
