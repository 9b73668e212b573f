/** Starts the small traffic programs of this folder inside a lab host. */
import { fileURLToPath } from "node:url";
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";

/** Starts `programs/<name>.js` with one JSON argument. */
export function startProgram(
	host: Host,
	name: string,
	options: unknown,
): LabProcess {
	return host.start(programCommand(name, options));
}

/** The command line of such a program. */
export function programCommand(name: string, options: unknown): string[] {
	const path = fileURLToPath(new URL(`programs/${name}.js`, import.meta.url));
	return [process.execPath, path, JSON.stringify(options)];
}

/** The last line of a program's output, as JSON. */
export function lastJson<T>(program: LabProcess): T {
	const line = program.stdout.trimEnd().split("\n").at(-1) ?? "";
	try {
		return JSON.parse(line) as T;
	} catch {
		throw new Error(
			`${program.argv.join(" ")}: no result: ${program.stderr.slice(-2000) || line || "no output"}`,
		);
	}
}
