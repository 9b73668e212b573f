/** What can go wrong in a command, and the exit status that says so. */

/** Documented in `chainmail --help` and docs; scripts rely on them. */
export const ExitCode = {
	ok: 0,
	/** The controller refused it, or the input is wrong; nothing has changed. */
	refused: 1,
	/** The command line itself is wrong. */
	usage: 2,
	/** No controller answers, or it does not accept the token. */
	unreachable: 3,
	/** Nothing has this name. */
	notFound: 4,
	/** Not every node has confirmed: silent, or not connected. */
	pending: 5,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const exitCodeHelp = `Exit status:
  0  done
  1  refused, or the input is wrong: nothing has changed
  2  wrong usage
  3  the controller cannot be reached, or rejects the token
  4  nothing has this name
  5  not every node has confirmed it in time: it did not answer, or is not
     connected; what is stored it gets when it comes back`;

/** What the system refused, in words, by its error codes (errno(3)). */
const CAUSES: Readonly<Record<string, readonly [cause: string, fix: string]>> =
	{
		EADDRINUSE: [
			"the address is in use",
			"stop what listens there, or choose another with --listen",
		],
		EADDRNOTAVAIL: [
			"this machine has no such address",
			"choose one of its own with --listen, or 0.0.0.0",
		],
		EACCES: ["permission denied", "run it as root, or choose another"],
		EPERM: ["not permitted", "run it as root"],
		EEXIST: ["something else is there", "remove it, or name another place"],
		ENOTDIR: ["a part of the path is no directory", "name another place"],
		ENOENT: ["it does not exist", "check the path"],
		ENOSPC: ["no space left", "make room on this file system"],
		EROFS: ["the file system is read-only", "name another place"],
	};

/** An error as `operation: cause (likely fix)`; our own read so already. */
export function failureText(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { code = "", syscall, path, message } = error as NodeJS.ErrnoException;
	const { address, port } = error as { address?: string; port?: number };
	const [cause, fix] = CAUSES[code] ?? [];
	if (syscall === undefined || cause === undefined) return message;
	const what =
		path ?? (address === undefined ? "" : `${address}:${port ?? ""}`);
	return `${syscall} ${what}: ${cause} (${fix})`;
}

/** Shown as its message alone, without a stack trace. */
export class CliFailure extends Error {
	readonly exitCode: ExitCode;

	constructor(message: string, exitCode: ExitCode = ExitCode.refused) {
		super(message);
		this.exitCode = exitCode;
	}
}
