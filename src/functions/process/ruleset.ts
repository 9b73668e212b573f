/**
 * nftables ruleset of a function. It is replaced in one transaction together
 * with a marker that carries its hash, so that the kernel itself says which
 * ruleset is in place and a broken new one leaves the old one untouched.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FunctionDocument } from "../../model/intent.js";

type Ruleset = NonNullable<FunctionDocument["spec"]["ruleset"]>;

const MARKER = "chainmail_";

/** Text of a ruleset as declared. Throws where its file cannot be read. */
export async function rulesetText(ruleset: Ruleset): Promise<string> {
	if ("text" in ruleset) return ruleset.text;
	try {
		return await readFile(ruleset.file, "utf8");
	} catch (error) {
		throw new Error(
			`ruleset ${ruleset.file}: ${message(error)} (the file must be readable on the function's node)`,
		);
	}
}

/** Name of the empty table that marks this text as the one in place. */
export function markerOf(text: string): string {
	return MARKER + createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Marker among table names, if a ruleset of ours is in place. */
export function findMarker(tables: readonly string[]): string | undefined {
	return tables.find((name) => name.startsWith(MARKER));
}

/**
 * The whole transaction. What the text may flush comes before the marker, and
 * the text keeps its line numbers, so that nft's complaints point into it.
 */
export function rulesetTransaction(text: string): string {
	return `flush ruleset;${text}\ntable inet ${markerOf(text)} { comment "set by chainmail"; }\n`;
}

/** nft's complaint in one line that names the place in the user's text. */
export function rulesetError(stderr: string, ruleset: Ruleset): Error {
	const source = "file" in ruleset ? ruleset.file : "text";
	const first = stderr.split("\n").find((line) => line.includes("Error:"));
	const found = /:(\d+):\d+-\d+: Error: (.*)$/.exec(first ?? "");
	const detail = found
		? `line ${found[1]}: ${found[2]}`
		: (first ?? stderr.trim());
	return new Error(
		`ruleset ${source}: ${detail} (check it with \`nft -c -f\`; the ruleset before it stays)`,
	);
}

function message(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
