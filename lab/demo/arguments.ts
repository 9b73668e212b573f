/** What `npm run demo` was asked to do. */

export type Wanted =
	| { readonly kind: "run"; readonly keep: boolean }
	| { readonly kind: "end"; readonly run: string }
	/** Not understood: what to tell. */
	| { readonly kind: "wrong"; readonly message: string };

const USAGE = "usage: npm run demo -- [--keep | --end RUN]";

export function demoArguments(args: readonly string[]): Wanted {
	const wrong = (cause: string): Wanted => ({
		kind: "wrong",
		message: `demo: ${cause} (${USAGE})`,
	});
	const [option, run, ...more] = args;
	const rest = option === "--end" ? more : args.slice(1);
	if (option === undefined) return { kind: "run", keep: false };
	if (option !== "--keep" && option !== "--end")
		return wrong(`unknown option ${option}`);
	if (rest.length > 0)
		return wrong(`${option} does not go with ${rest.join(" ")}`);
	if (option === "--keep") return { kind: "run", keep: true };
	if (run === undefined || run.startsWith("-"))
		return wrong("--end needs the name of a run, which --keep printed");
	return { kind: "end", run };
}
