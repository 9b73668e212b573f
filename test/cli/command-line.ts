/** Runs the real command line against a controller, as a user would. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export const CHAINMAIL = fileURLToPath(
	new URL("../../../bin/chainmail", import.meta.url),
);

export interface Outcome {
	readonly status: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** `config`: the admin.json with which it gets in. */
export function chainmail(
	argv: readonly string[],
	{ input = "", config = "" } = {},
): Promise<Outcome> {
	return new Promise((resolve) => {
		const child = execFile(
			CHAINMAIL,
			argv,
			{ env: { ...process.env, CHAINMAIL_CONFIG: config }, timeout: 30_000 },
			(error, stdout, stderr) =>
				resolve({
					status: error === null ? 0 : Number(error.code ?? -1),
					stdout,
					stderr,
				}),
		);
		child.stdin?.end(input);
	});
}

/** Documents as one text; JSON is YAML. */
export const yaml = (all: readonly unknown[]): string =>
	all
		.map((document) => `---\n${JSON.stringify(document, undefined, 2)}\n`)
		.join("");
