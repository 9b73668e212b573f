/** One result in the form that was asked for: table, JSON or YAML. */
import type { Terminal } from "./terminal.js";

export const formats = ["table", "json", "yaml"] as const;
export type Format = (typeof formats)[number];

/** Writes `value` as JSON or YAML, or what `asTable` makes of it. */
export async function show(
	terminal: Terminal,
	format: Format,
	value: unknown,
	asTable: () => string,
): Promise<void> {
	if (format === "json") terminal.out(JSON.stringify(value, undefined, 2));
	else if (format === "yaml") terminal.out(await yamlOf(value));
	else terminal.out(asTable());
}

/** Without a final line break. */
export async function yamlOf(value: unknown): Promise<string> {
	const { stringify } = await import("yaml");
	return stringify(value, { lineWidth: 0 }).trimEnd();
}
