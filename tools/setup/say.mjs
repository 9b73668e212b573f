// Plain progress lines and orderly stops for the tools that run before anything is built.

/** One line of progress; goes to stderr so that results on stdout stay clean. */
export function say(line) {
	process.stderr.write(`${line}\n`);
}

/** A condition the user has to mend: shown without a stack trace. */
export class Unmet extends Error {}

/** Runs `main` and turns an unmet condition into its message and exit status 1. */
export async function orderly(main) {
	try {
		process.exitCode = await main();
	} catch (error) {
		if (!(error instanceof Unmet)) throw error;
		say(error.message);
		process.exitCode = 1;
	}
}
