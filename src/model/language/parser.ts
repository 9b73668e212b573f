/**
 * Reads a rule:
 *
 *     rule      = "match" "(" [ or ] ")" ">>" ( "pass" | "drop" | chain )
 *     chain     = name { "->" name }
 *     or        = and { "|" and }
 *     and       = unary { "&" unary }
 *     unary     = "~" unary | "(" or ")" | "*" | test
 *     test      = field ( "=" | "!=" ) ( value | "{" value { "," value } "}" )
 */
import { closest, quoted, type Span, suggest } from "../problem.js";
import {
	type Action,
	FIELDS,
	type Field,
	type Predicate,
	type Rule,
	type Test,
	type Value,
} from "./ast.js";
import { RuleError, type Token, type TokenKind, tokenize } from "./lexer.js";
import { parseValue } from "./values.js";

/** Limits against hostile rules: characters, nesting, values of one set. */
export const RULE_LIMITS = { length: 16_384, depth: 64, values: 1024 } as const;

export interface RuleProblem {
	/** Where in the rule's text. */
	readonly span: Span;
	readonly message: string;
	readonly hint?: string;
}

/** Where the names of a rule stand, for checks against the rest of an intent. */
export interface RulePlaces {
	/** What stands between the parentheses of match(). */
	readonly predicate: Span;
	/** One a function of the chain, in order. */
	readonly functions: readonly Span[];
	readonly tenants: readonly { readonly name: string; readonly span: Span }[];
}

export type ParsedRule =
	| { readonly ok: true; readonly rule: Rule; readonly places: RulePlaces }
	| { readonly ok: false; readonly problems: readonly RuleProblem[] };

export type ParsedPredicate =
	| {
			readonly ok: true;
			readonly predicate: Predicate;
			readonly places: Omit<RulePlaces, "functions">;
	  }
	| { readonly ok: false; readonly problems: readonly RuleProblem[] };

export function parseRule(text: string): ParsedRule {
	return read(text, (parser) => parser.rule());
}

/** Reads what stands between the parentheses of match(). */
export function parsePredicate(text: string): ParsedPredicate {
	return read(text, (parser) => parser.predicate(text));
}

function read<T extends object>(
	text: string,
	how: (parser: Parser) => T,
):
	| ({ readonly ok: true } & T)
	| { readonly ok: false; readonly problems: readonly RuleProblem[] } {
	try {
		if (text.length > RULE_LIMITS.length)
			throw new RuleError(
				{ offset: 0, length: 1 },
				`rule is longer than ${RULE_LIMITS.length} characters`,
				"split it into several policies",
			);
		return { ok: true, ...how(new Parser(tokenize(text))) };
	} catch (error) {
		if (!(error instanceof RuleError)) throw error;
		const { span, message, hint } = error;
		const { offset, length } = span;
		const problem = { span: { offset, length }, message };
		return { ok: false, problems: [hint ? { ...problem, hint } : problem] };
	}
}

class Parser {
	private at = 0;
	private depth = 0;
	private readonly tenants: { name: string; span: Span }[] = [];

	constructor(private readonly tokens: readonly Token[]) {}

	rule(): { rule: Rule; places: RulePlaces } {
		this.word("match", "a rule begins with `match(…)`");
		const open = this.expect("(", "write `match(…)`, or `match(*)` for all");
		const predicate: Predicate =
			this.peek().kind === ")" ? { kind: "any" } : this.or();
		const close = this.expect(")", this.afterTest());
		this.expect(
			">>",
			"write `>> function -> function`, `>> pass` or `>> drop`",
		);
		const { action, spans } = this.action();
		this.expect("end", "functions of a chain are joined by `->`");
		const start = open.offset + 1;
		return {
			rule: { predicate, action },
			places: {
				predicate: { offset: start, length: close.offset - start },
				functions: spans,
				tenants: this.tenants,
			},
		};
	}

	predicate(text: string) {
		if (this.peek().text === "match")
			throw new RuleError(
				this.peek(),
				"a predicate stands without `match`",
				"write what would be between its parentheses",
			);
		const predicate = this.or();
		this.expect("end", "join tests by `&` or `|`");
		const span = { offset: 0, length: text.length };
		return { predicate, places: { predicate: span, tenants: this.tenants } };
	}

	private action(): { action: Action; spans: Span[] } {
		const names = [this.functionName()];
		while (this.peek().kind === "->") {
			this.next();
			names.push(this.functionName());
		}
		const terminal = names.find((t) => t.text === "pass" || t.text === "drop");
		if (terminal && names.length > 1)
			throw new RuleError(
				terminal,
				`\`${terminal.text}\` cannot be part of a chain`,
				`write \`>> ${terminal.text}\` alone, or the functions without it`,
			);
		if (terminal)
			return { action: { kind: terminal.text as "pass" | "drop" }, spans: [] };
		return {
			action: { kind: "chain", functions: names.map((t) => t.text) },
			spans: names.map(({ offset, length }) => ({ offset, length })),
		};
	}

	private functionName(): Token {
		const token = this.expect("word", "name a function, or write pass or drop");
		if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(token.text)) return token;
		throw new RuleError(
			token,
			`${quoted(token.text)} is not a function's name`,
			"names are lower-case letters, digits and dashes",
		);
	}

	private or(): Predicate {
		return this.list("|", "or", () =>
			this.list("&", "and", () => this.unary()),
		);
	}

	private list(
		sign: TokenKind,
		kind: "and" | "or",
		term: () => Predicate,
	): Predicate {
		const terms = [term()];
		while (this.peek().kind === sign) {
			this.next();
			terms.push(term());
		}
		const [first] = terms;
		return first && terms.length === 1 ? first : { kind, terms };
	}

	private unary(): Predicate {
		const token = this.peek();
		if (token.kind === "~") {
			this.next();
			return this.nested(token, () => ({ kind: "not", term: this.unary() }));
		}
		if (token.kind === "(") {
			this.next();
			const inner = this.nested(token, () => this.or());
			this.expect(")", this.afterTest());
			return inner;
		}
		if (token.kind === "*") {
			this.next();
			return { kind: "any" };
		}
		return this.test();
	}

	private nested(token: Token, read: () => Predicate): Predicate {
		if (++this.depth > RULE_LIMITS.depth)
			throw new RuleError(
				token,
				`predicate is nested deeper than ${RULE_LIMITS.depth} levels`,
				"split it into several policies",
			);
		const inner = read();
		this.depth--;
		return inner;
	}

	private test(): Test {
		const name = this.expect("word", `a test begins with ${FIELDS.join(", ")}`);
		const field = FIELDS.find((known) => known === name.text);
		if (!field) throw unknownField(name);
		const op = this.next();
		if (op.kind !== "=" && op.kind !== "!=")
			throw unexpected(op, `write \`${field}=…\` or \`${field}!=…\``);
		return { kind: "test", field, op: op.kind, values: this.values(field) };
	}

	private values(field: Field): Value[] {
		const one = () => {
			const token = this.expect("word", `${field} wants a value here`);
			const value = parseValue(field, token);
			if (field === "tenant") {
				const { text: name, offset, length } = token;
				this.tenants.push({ name, span: { offset, length } });
			}
			return value;
		};
		if (this.peek().kind !== "{") return [one()];
		const open = this.next();
		const values = [one()];
		while (this.peek().kind === ",") {
			this.next();
			values.push(one());
			if (values.length > RULE_LIMITS.values)
				throw new RuleError(
					open,
					`set has more than ${RULE_LIMITS.values} values`,
					"write ranges or prefixes",
				);
		}
		this.expect("}", "separate values by `,` and close the set with `}`");
		return values;
	}

	/** What may follow a test, said according to what the user wrote instead. */
	private afterTest(): string {
		const { kind, text } = this.peek();
		if (/^and$/i.test(text)) return "did you mean `&`?";
		if (/^or$/i.test(text)) return "did you mean `|`?";
		if (kind === ",") return "join tests by `&` or `|`";
		if (kind === "end" || kind === ">>") return "a `)` is missing";
		return "join tests by `&` or `|`";
	}

	private peek(): Token {
		const token = this.tokens[this.at];
		if (!token) throw new Error("lexer: no end token");
		return token;
	}

	private next(): Token {
		const token = this.peek();
		if (token.kind !== "end") this.at++;
		return token;
	}

	private expect(kind: TokenKind, hint: string): Token {
		const token = this.peek();
		if (token.kind !== kind) throw unexpected(token, hint);
		return this.next();
	}

	private word(text: string, hint: string): void {
		const token = this.peek();
		if (token.text === text) this.next();
		else throw unexpected(token, suggest(token.text, [text], hint) ?? hint);
	}
}

function unexpected(token: Token, hint: string): RuleError {
	const message =
		token.kind === "end"
			? "rule ends too early"
			: `${quoted(token.text)} is not expected here`;
	return new RuleError(token, message, hint);
}

function unknownField(name: Token): RuleError {
	const message = `unknown field ${quoted(name.text)}`;
	if (/^not$/i.test(name.text))
		return new RuleError(name, message, "did you mean `~`?");
	const near = closest(name.text, [...FIELDS, ...SYNONYMS.keys()]);
	const meant = near === undefined ? undefined : (SYNONYMS.get(near) ?? near);
	const hint = meant
		? `did you mean \`${meant}\`?`
		: suggest(name.text, FIELDS);
	return new RuleError(name, message, hint);
}

/** What other tools call the fields. */
const SYNONYMS: ReadonlyMap<string, Field> = new Map([
	["source", "src"],
	["saddr", "src"],
	["ip", "src"],
	["destination", "dst"],
	["daddr", "dst"],
	["port", "dport"],
	["protocol", "proto"],
	["tos", "dscp"],
	["icmptype", "icmp-type"],
]);
