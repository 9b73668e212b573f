/** The nouns of the CLI: what can be listed, under which names. */
import { CliFailure, ExitCode } from "./failure.js";

export const listable = [
	"tenants",
	"nodes",
	"functions",
	"flow-classes",
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
	"flow-classes",
	"policies",
	"paths",
] as const;
/** Nouns whose single items cannot be picked by a name. */
export const nameless: readonly Noun[] = ["flows", "states", "events"];
/** Nouns that are declared, so can be deleted. */
export const declared = [
	"tenants",
	"nodes",
	"functions",
	"flow-classes",
	"policies",
] as const;

/**
 * Accepts singular, plural and the YAML kind: `policy`, `policies`, `Policy`,
 * `flow-class`, `flowclass`.
 */
export function nounOf<N extends Noun>(word: string, among: readonly N[]): N {
	const plain = (text: string) => text.toLowerCase().replaceAll("-", "");
	const wanted = plain(word);
	const found = among.find(
		(noun) => plain(noun) === wanted || plain(singular(noun)) === wanted,
	);
	if (found !== undefined) return found;
	throw new CliFailure(
		`kind \`${word.slice(0, 60)}\`: not one of ${among.join(", ")}`,
		ExitCode.usage,
	);
}

export function singular(noun: Noun): string {
	if (noun.endsWith("ies")) return `${noun.slice(0, -3)}y`;
	return noun.slice(0, noun.endsWith("sses") ? -2 : -1);
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
