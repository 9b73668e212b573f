/** Options of `get` that pick from its lists, and what they go with. */
import type { Command } from "commander";
import type { Query } from "./client.js";
import { CliFailure, ExitCode } from "./failure.js";
import { type Noun, nameless } from "./kinds.js";
import { formatOf } from "./session.js";

export interface GetOptions {
	readonly watch?: boolean;
	readonly interval: number;
	readonly tenant?: string;
	readonly function?: string;
	readonly instance?: string;
	readonly node?: string;
	readonly verdict?: string;
	readonly src?: string;
	readonly dst?: string;
	readonly proto?: number;
	readonly sport?: number;
	readonly dport?: number;
	readonly limit?: number;
	readonly after?: number;
	readonly all?: boolean;
}

/** Flows or states, where no limit is given. */
export const ROWS_LIMIT = 1000;

/** Which options pick from which lists; others would be silently without effect. */
const FILTERS: Readonly<Record<string, readonly Noun[]>> = {
	tenant: ["policies", "paths", "flows", "states"],
	src: ["flows", "states"],
	dst: ["flows", "states"],
	proto: ["flows", "states"],
	sport: ["flows", "states"],
	dport: ["flows", "states"],
	function: ["states"],
	instance: ["states"],
	node: ["states"],
	verdict: ["states"],
	limit: ["flows", "states", "events"],
	after: ["events"],
	all: ["counters"],
};

/** Throws CliFailure where an option, or a name, would be without effect. */
export function checkFilters(
	noun: Noun,
	name: string | undefined,
	options: GetOptions,
	command: Command,
): void {
	const refuse = (cause: string) => {
		throw new CliFailure(`get ${noun}: ${cause}`, ExitCode.usage);
	};
	for (const [option, nouns] of Object.entries(FILTERS))
		if (option in options && !nouns.includes(noun))
			refuse(`--${option} does not apply (it goes with ${nouns.join(", ")})`);
	if (name !== undefined && nameless.includes(noun))
		refuse(
			`they have no names, so \`${name.slice(0, 60)}\` picks none (use ${filtersOf(noun)})`,
		);
	if (options.watch === true && formatOf(command) === "csv")
		refuse("--output csv shows a list once (leave out --watch, or use json)");
	if (
		options.watch !== true &&
		command.getOptionValueSource("interval") !== "default"
	)
		refuse("--interval goes with --watch only");
}

function filtersOf(noun: Noun): string {
	return Object.entries(FILTERS)
		.filter(([, nouns]) => nouns.includes(noun))
		.map(([option]) => `--${option}`)
		.join(", ");
}

/** What the API is asked for of flows and states. */
export function flowQuery(options: GetOptions): Query {
	const { tenant, src, dst, proto, sport, dport, limit = ROWS_LIMIT } = options;
	return { tenant, src, dst, proto, sport, dport, limit };
}
