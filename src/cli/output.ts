/** One result in the form that was asked for: table, JSON, YAML or CSV. */
import type { Terminal } from "./terminal.js";

export const formats = ["table", "json", "yaml", "csv"] as const;
export type Format = (typeof formats)[number];

/**
 * Writes `value` as JSON or YAML, what `asTable` makes of it, or `records` as CSV:
 * program.ts lets nothing that is no list ask for that.
 */
export async function show(
	terminal: Terminal,
	format: Format,
	value: unknown,
	asTable: () => string,
	records: readonly object[] = [],
): Promise<void> {
	if (format === "json") terminal.out(JSON.stringify(value, undefined, 2));
	else if (format === "yaml") terminal.out(await yamlOf(value));
	else if (format === "csv") {
		const { csv } = await import("./csv.js");
		for (const line of csv(records)) terminal.out(line);
	} else terminal.out(asTable());
}

/** Without a final line break. */
export async function yamlOf(value: unknown): Promise<string> {
	const { yaml } = await import("./yaml.js");
	return yaml(value);
}
