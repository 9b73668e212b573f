/**
 * nftables ruleset of a function. It is replaced in one transaction together
 * with a marker that carries its hash, so that the kernel itself says which
 * ruleset is in place, and a broken new one leaves the old one untouched.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { KernelError } from "../../kernel/error.js";
import {
	applyRuleset,
	checkRuleset as checkText,
	listRuleset,
} from "../../kernel/nft.js";
import type { FunctionDocument } from "../../model/intent.js";

export type Ruleset = NonNullable<FunctionDocument["spec"]["ruleset"]>;

const MARKER = "chainmail_";

/** Text of a ruleset as declared. Throws where its file cannot be read. */
export async function rulesetText(ruleset: Ruleset): Promise<string> {
	if ("text" in ruleset) return ruleset.text;
	try {
		return await readFile(ruleset.file, "utf8");
	} catch (error) {
		const cause = (error as NodeJS.ErrnoException).code ?? String(error);
		throw new Error(
			`ruleset ${ruleset.file}: ${cause} (the file must be readable on the function's node)`,
		);
	}
}

/** Rejects where nft would not take it; changes nothing. */
export async function checkRuleset(
	ruleset: Ruleset,
	netns?: string,
): Promise<void> {
	const text = await rulesetText(ruleset);
	await explained(ruleset, () => checkText(transactionOf(text), netns));
}

/**
 * Puts a ruleset in place; leaves alone what is in place already; calls
 * `changing` before the first thing is another than before. Returns
 * whether it changed something; rejects with the old one still in place.
 */
export async function ensureRuleset(
	ruleset: Ruleset,
	netns: string,
	changing?: () => Promise<void>,
): Promise<boolean> {
	const text = await rulesetText(ruleset);
	if ((await markerIn(netns)) === markerOf(text)) return false;
	await changing?.();
	await explained(ruleset, () => applyRuleset(transactionOf(text), netns));
	return true;
}

/** Removes a ruleset of ours; what the function made itself stays. */
export async function dropRuleset(netns: string): Promise<void> {
	if ((await markerIn(netns)) !== undefined)
		await applyRuleset("flush ruleset\n", netns);
}

/** Marker of the ruleset in place. */
export async function markerIn(netns: string): Promise<string | undefined> {
	for (const { table } of await listRuleset(netns)) {
		const { name } = (table ?? {}) as { name?: string };
		if (name?.startsWith(MARKER)) return name;
	}
	return undefined;
}

/** What packets themselves change in a ruleset, and numbers of no meaning. */
const PASSING = ["packets", "bytes", "handle", "expires", "used"];

/** The same as long as nobody changes the rules that are in place, by hand either. */
export async function fingerprintIn(netns: string): Promise<string> {
	const text = JSON.stringify(await listRuleset(netns), (key, value) =>
		PASSING.includes(key) ? undefined : value,
	);
	return createHash("sha256").update(text).digest("hex");
}

/** Name of the empty table that marks this text as the one in place. */
export function markerOf(text: string): string {
	return MARKER + createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/**
 * The whole transaction. The marker stands behind whatever the text flushes;
 * the text keeps its line numbers, so that nft's complaints point into it.
 */
export function transactionOf(text: string): string {
	return `flush ruleset;${text}\ntable inet ${markerOf(text)} {\n}\n`;
}

async function explained(
	ruleset: Ruleset,
	work: () => Promise<void>,
): Promise<void> {
	try {
		await work();
	} catch (error) {
		if (!(error instanceof KernelError)) throw error;
		throw complaint(error.log ?? error.message, ruleset);
	}
}

/** What nft says, in one line that names the place in the user's text. */
export function complaint(said: string, ruleset: Ruleset): Error {
	const source = "file" in ruleset ? ruleset.file : "text";
	const first =
		said.split("\n").find((line) => line.includes("Error:")) ?? said.trim();
	const found = /:(\d+):\d+-\d+: Error: (.*)$/.exec(first);
	const detail = found ? `line ${found[1]}: ${found[2]}` : first;
	return new Error(
		`ruleset ${source}: ${detail} (try it with \`nft -c -f\`; nothing was changed)`,
	);
}
