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
	/** Stored, but not every node has confirmed: silent, or not connected. */
	pending: 5,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const exitCodeHelp = `Exit status:
  0  done
  1  refused, or the input is wrong: nothing has changed
  2  wrong usage
  3  the controller cannot be reached, or rejects the token
  4  nothing has this name
  5  stored, but not every node has confirmed it in time: it did not answer, or
     is not connected and gets it when it comes back`;

/** Shown as its message alone, without a stack trace. */
export class CliFailure extends Error {
	readonly exitCode: ExitCode;

	constructor(message: string, exitCode: ExitCode = ExitCode.refused) {
		super(message);
		this.exitCode = exitCode;
	}
}
