/** Cuts the text of a rule into tokens; says what to write for foreign signs. */
import { quoted, type Span } from "../problem.js";

export type TokenKind =
	| "word"
	| "("
	| ")"
	| "{"
	| "}"
	| ","
	| "="
	| "!="
	| "&"
	| "|"
	| "~"
	| "*"
	| "->"
	| ">>"
	| "end";

export interface Token extends Span {
	readonly kind: TokenKind;
	readonly text: string;
}

/** Thrown inside lexer and parser; parseRule() turns it into a problem. */
export class RuleError extends Error {
	constructor(
		readonly span: Span,
		message: string,
		readonly hint?: string,
	) {
		super(message);
	}
}

const SIGNS = ["!=", "->", ">>", ..."(){},=&|~*"] as const;
const WORD = /(?:[A-Za-z0-9_.:/]|-(?!>))+/y;

/** Signs of other languages, and what stands for them here. */
const FOREIGN: readonly (readonly [string, string])[] = [
	["&&", "did you mean `&`?"],
	["||", "did you mean `|`?"],
	["==", "did you mean `=`?"],
	["=>", "did you mean `->`?"],
	["<=", "write a range: 1-1023"],
	[">=", "write a range: 1024-65535"],
	["!", "did you mean `~`?"],
	["<", "write a range: 1-1023"],
	[">", "did you mean `>>` before the chain, or `->` between its functions?"],
	["→", "did you mean `->`?"],
	["»", "did you mean `>>`?"],
	['"', "names and values stand without quotes"],
	["'", "names and values stand without quotes"],
	["[", "did you mean `{`? sets are written {80, 443}"],
	["]", "did you mean `}`? sets are written {80, 443}"],
	[";", "values of a set are separated by `,`"],
];

export function tokenize(text: string): Token[] {
	const tokens: Token[] = [];
	let at = 0;
	const push = (kind: TokenKind, length: number) => {
		tokens.push({
			kind,
			text: text.slice(at, at + length),
			offset: at,
			length,
		});
		at += length;
	};
	while (at < text.length) {
		if (/\s/.test(text.charAt(at))) {
			at++;
			continue;
		}
		const foreign = FOREIGN.find(
			([sign]) => text.startsWith(sign, at) && !isOwn(text, at, sign),
		);
		if (foreign)
			throw new RuleError(
				{ offset: at, length: foreign[0].length },
				`${quoted(foreign[0])} has no meaning in a rule`,
				foreign[1],
			);
		const sign = SIGNS.find((s) => text.startsWith(s, at));
		WORD.lastIndex = at;
		const word = WORD.exec(text)?.[0];
		if (sign) push(sign as TokenKind, sign.length);
		else if (word) push("word", word.length);
		else {
			const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
			throw new RuleError(
				{ offset: at, length: character.length },
				`${quoted(character)} has no meaning in a rule`,
			);
		}
	}
	tokens.push({ kind: "end", text: "", offset: text.length, length: 1 });
	return tokens;
}

/** `!` of `!=` and `>` of `>>` are signs of ours. */
function isOwn(text: string, at: number, sign: string): boolean {
	if (sign === "!") return text.startsWith("!=", at);
	if (sign === ">") return text.startsWith(">>", at);
	return false;
}
