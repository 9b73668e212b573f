/**
 * A problem in something a user wrote: where it is, what is wrong, how to mend
 * it; and how that reads on a terminal.
 */

/** A part of a text, in UTF-16 code units from its start. */
export interface Span {
	readonly offset: number;
	readonly length: number;
}

/** Where something stands in what the user gave. */
export interface Place {
	/** Name of the text, or what it is when it came without a file. */
	readonly file: string;
	/** From 1; absent when the document did not come as text. */
	readonly line?: number;
	/** From 1, in UTF-16 code units. */
	readonly column?: number;
	/** JSON pointer (RFC 6901) into the document. */
	readonly pointer?: string;
	/** The line of text concerned, cut to a readable width. */
	readonly excerpt?: string;
	/** Where the caret goes: offset in `excerpt`, and how much it underlines. */
	readonly caret?: Span;
}

export interface Problem extends Place {
	readonly message: string;
	readonly hint?: string;
	/** Warnings do not keep an intent from being applied (default: error). */
	readonly severity?: "error" | "warning";
}

const EXCERPT_WIDTH = 120;

/** The line around `offset`, cut to a readable width, and the caret in it. */
export function excerptOf(
	line: string,
	column: number,
	length: number,
): { excerpt: string; caret: Span } {
	const start =
		line.length <= EXCERPT_WIDTH ? 0 : Math.max(0, column - EXCERPT_WIDTH / 2);
	const cut = line.slice(start, start + EXCERPT_WIDTH);
	const excerpt = cut.replace(/[\p{Cc}\p{Cf}]/gu, (c) =>
		c === "\t" ? c : " ",
	);
	const room = Math.max(1, excerpt.length - (column - start));
	return {
		excerpt,
		caret: { offset: column - start, length: Math.min(length, room) },
	};
}

/** `file:12:7` or `file /spec/rule`. */
export function formatPlace(place: Place): string {
	if (place.line !== undefined)
		return `${place.file}:${place.line}:${place.column ?? 1}`;
	return place.pointer ? `${place.file} ${place.pointer}` : place.file;
}

/**
 * As a compiler prints it:
 *
 *     edge.yaml:12:3: error: unknown key `prioriti`
 *       prioriti: 5
 *       ^~~~~~~~
 *       did you mean `priority`?
 */
export function formatProblem(problem: Problem): string {
	const lines = [
		`${formatPlace(problem)}: ${problem.severity ?? "error"}: ${problem.message}`,
	];
	if (problem.excerpt !== undefined && problem.caret) {
		const { offset, length } = problem.caret;
		const before = problem.excerpt.slice(0, offset).replace(/[^\t]/g, " ");
		lines.push(`  ${problem.excerpt}`);
		lines.push(`  ${before}^${"~".repeat(Math.max(0, length - 1))}`);
	}
	if (problem.hint) lines.push(`  ${problem.hint}`);
	return lines.join("\n");
}

/** A word of the user's fit for a message: short and printable. */
export function quoted(text: string): string {
	const cut = text.length > 60 ? `${text.slice(0, 57)}…` : text;
	return `\`${cut.replace(/[\p{Cc}\p{Cf}]/gu, "?")}\``;
}

/** Levenshtein distance with swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
	let before: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const same = a[i - 1] === b[j - 1];
			let cost = Math.min(
				(last[j] ?? 0) + 1,
				(row[j - 1] ?? 0) + 1,
				(last[j - 1] ?? 0) + (same ? 0 : 1),
			);
			if (j > 1 && i > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
				cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
			row.push(cost);
		}
		before = last;
		last = row;
	}
	return last[b.length] ?? 0;
}

/** The candidate most like `word`, when it is like enough to be meant. */
export function closest(
	word: string,
	candidates: Iterable<string>,
): string | undefined {
	if (word.length > 100) return undefined;
	const wanted = word.toLowerCase();
	let best: string | undefined;
	let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
	for (const candidate of candidates) {
		if (Math.abs(candidate.length - wanted.length) >= least) continue;
		const distance = editDistance(wanted, candidate.toLowerCase());
		if (distance < least) [best, least] = [candidate, distance];
	}
	return best;
}

/** "did you mean `x`?", or the candidates when they are few, or `otherwise`. */
export function suggest(
	word: string,
	candidates: Iterable<string>,
	otherwise?: string,
): string | undefined {
	const all = [...candidates];
	const near = closest(word, all);
	if (near !== undefined) return `did you mean \`${near}\`?`;
	if (otherwise !== undefined) return otherwise;
	if (all.length === 0 || all.length > 12) return undefined;
	return `known: ${all.map((name) => `\`${name}\``).join(", ")}`;
}
