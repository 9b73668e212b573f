/** Finds the controller: from --config, CHAINMAIL_CONFIG or the default place. */
import { readFileSync } from "node:fs";
import type { AdminFile } from "../api/schemas.js";
import { CliFailure, ExitCode } from "./failure.js";

export const DEFAULT_CONFIG = "/var/lib/chainmail/admin.json";

export function configPath(
	option: string | undefined,
	env: NodeJS.ProcessEnv = process.env,
): string {
	return option ?? env.CHAINMAIL_CONFIG ?? DEFAULT_CONFIG;
}

/** Reads and checks the file; says what to do when it is not there. */
export function readConfig(path: string): AdminFile {
	let text: string;
	try {
		text = readFileSync(path, "utf8");
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		const cause = code === "ENOENT" ? "no such file" : (code ?? String(error));
		throw new CliFailure(
			`config ${path}: ${cause} (the controller writes admin.json into its data directory; name it by --config or CHAINMAIL_CONFIG)`,
			ExitCode.unreachable,
		);
	}
	const config = parse(path, text);
	for (const key of ["url", "token", "ca"] as const)
		if (typeof config[key] !== "string" || config[key] === "")
			throw broken(path, `\`${key}\` is missing`);
	if (!URL.canParse(config.url) || new URL(config.url).protocol !== "https:")
		throw broken(path, "`url` is not an https:// address");
	if (!config.ca.includes("-----BEGIN CERTIFICATE-----"))
		throw broken(path, "`ca` is not a certificate in PEM");
	return config;
}

function parse(path: string, text: string): AdminFile {
	try {
		const value: unknown = JSON.parse(text);
		if (typeof value === "object" && value !== null) return value as AdminFile;
	} catch {
		// Said below, without quoting a file that holds a secret.
	}
	throw broken(path, "not a JSON object");
}

function broken(path: string, cause: string): CliFailure {
	return new CliFailure(
		`config ${path}: ${cause} (copy the controller's admin.json again)`,
		ExitCode.unreachable,
	);
}
