/** The nouns of the CLI: what can be listed, under which names. */
import { CliFailure, ExitCode } from "./failure.js";

export const listable = [
	"tenants",
	"nodes",
	"functions",
	"policies",
	"paths",
	"flows",
	"states",
	"counters",
	"events",
] as const;
export type Noun = (typeof listable)[number];

/** Nouns whose single items have a name and can be described. */
export const named = [
	"tenants",
	"nodes",
	"functions",
	"policies",
	"paths",
] as const;
/** Nouns whose single items cannot be picked by a name. */
export const nameless: readonly Noun[] = ["flows", "states", "events"];
/** Nouns that are declared, so can be deleted. */
export const declared = ["tenants", "nodes", "functions", "policies"] as const;

/** Accepts singular, plural and the YAML kind: `policy`, `policies`, `Policy`. */
export function nounOf<N extends Noun>(word: string, among: readonly N[]): N {
	const wanted = word.toLowerCase();
	const found = among.find(
		(noun) => noun === wanted || singular(noun) === wanted,
	);
	if (found !== undefined) return found;
	throw new CliFailure(
		`kind \`${word.slice(0, 60)}\`: not one of ${among.join(", ")}`,
		ExitCode.usage,
	);
}

export function singular(noun: Noun): string {
	return noun.endsWith("ies") ? `${noun.slice(0, -3)}y` : noun.slice(0, -1);
}

/** Names what there is, when that is short. */
export function absent(
	noun: Noun,
	name: string,
	known: readonly string[],
): CliFailure {
	const hint =
		known.length === 0
			? `there are no ${noun}`
			: known.length <= 12
				? `known: ${known.join(", ")}`
				: `list them: chainmail get ${noun}`;
	return new CliFailure(
		`${singular(noun)} \`${name.slice(0, 60)}\`: not found (${hint})`,
		ExitCode.notFound,
	);
}
