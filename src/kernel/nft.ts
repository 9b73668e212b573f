/** nftables of one namespace: a ruleset is applied whole or not at all. */
import { KernelError } from "./error.js";
import { run } from "./process.js";

/**
 * Applies nft text in one transaction. It adds to what is there: begin with
 * `flush ruleset` or `destroy table …` to replace.
 */
export async function applyRuleset(
	text: string,
	netns?: string,
): Promise<void> {
	await nft("apply ruleset", ["-f", "-"], refuseIncludes(text), netns);
}

/** Rejects, with line and column, what applyRuleset would reject; changes nothing. */
export async function checkRuleset(
	text: string,
	netns?: string,
): Promise<void> {
	await nft("check ruleset", ["-c", "-f", "-"], refuseIncludes(text), netns);
}

/** Objects of `nft -j list ruleset` (libnftables-json(5)), without the header. */
export async function listRuleset(
	netns?: string,
): Promise<Record<string, unknown>[]> {
	const text = await nft("list ruleset", ["-j", "list", "ruleset"], "", netns);
	const { nftables }: { nftables: Record<string, unknown>[] } =
		JSON.parse(text);
	return nftables.filter((object) => !("metainfo" in object));
}

async function nft(
	operation: string,
	args: string[],
	input: string,
	netns: string | undefined,
): Promise<string> {
	try {
		const { stdout } = await run(["nft", ...args], { netns, input });
		return stdout;
	} catch (error) {
		if (!(error instanceof KernelError) || error.log === undefined) throw error;
		const cause =
			error.log.trim().replaceAll("/dev/stdin:", "line ") || error.message;
		throw new KernelError(operation, cause, undefined, { log: error.log });
	}
}

/** A ruleset comes from a user; an include would read any file as root. */
function refuseIncludes(text: string): string {
	if (!/(^|[;{}\n])\s*include\b/.test(text)) return text;
	throw new KernelError(
		"read ruleset",
		"it has an include",
		"write the rules into one file",
	);
}
