/** Commands that a guest's parts are made by: whole output, or a clear failure. */
import { execFile, type SpawnOptions } from "node:child_process";

const LONGEST_MS = 240_000;
const MAX_OUTPUT_BYTES = 1 << 26;

/** Standard output; rejects with the end of what the command said. */
export function command(
	argv: readonly [string, ...string[]],
	options: Pick<SpawnOptions, "cwd"> = {},
): Promise<Buffer> {
	const [file, ...args] = argv;
	return new Promise((resolve, reject) => {
		execFile(
			file,
			args,
			{
				...options,
				encoding: "buffer",
				timeout: LONGEST_MS,
				maxBuffer: MAX_OUTPUT_BYTES,
				env: {
					...process.env,
					DEBIAN_FRONTEND: "noninteractive",
					LC_ALL: "C",
				},
			},
			(error, stdout, stderr) => {
				if (error === null) return resolve(stdout);
				const said = stderr.toString().trim().split("\n").slice(-4).join("; ");
				reject(
					new Error(`${file} ${args.at(-1) ?? ""}: ${said || error.message}`),
				);
			},
		);
	});
}
