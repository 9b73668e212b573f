/**
 * Reads documents: YAML texts as users write them, or parsed JSON from the API.
 * The border of the model: hostile input ends here, with a place and a hint.
 */
import {
	type Document,
	isAlias,
	isMap,
	isScalar,
	isSeq,
	Lexer,
	type Node,
	parseAllDocuments,
} from "yaml";
import type { IntentDocument } from "./intent.js";
import { parsePredicate, parseRule } from "./language/index.js";
import { type Problem, quoted } from "./problem.js";
import {
	JsonSource,
	keyText,
	type Source,
	SourceText,
	YamlSource,
} from "./source.js";
import { validateDocument } from "./validate.js";

/** Bounds of what one call reads; beyond them nothing is read at all. */
export const LOAD_LIMITS = {
	/** Bytes of UTF-8 of all texts together. */
	bytes: 4 * 1024 * 1024,
	/** Lexical tokens of one text; a policy has about 36. */
	tokens: 1_000_000,
	depth: 32,
	/** Columns of indentation, which bounds nesting in block style. */
	indent: 128,
	/** Nodes after aliases are expanded. */
	nodes: 1_000_000,
	/** Problems reported; the rest is only counted. */
	problems: 100,
} as const;

export interface NamedText {
	/** Shown in problems, usually the file's name. */
	readonly name: string;
	readonly text: string;
}

export interface Loaded {
	readonly documents: readonly IntentDocument[];
	/** Where each document came from, for checks that follow. */
	readonly sources: ReadonlyMap<IntentDocument, Source>;
	readonly problems: readonly Problem[];
}

/** Reads YAML texts; documents with problems are left out. */
export function loadDocuments(texts: readonly NamedText[]): Loaded {
	const loader = new Loader();
	let bytes = 0;
	for (const { name, text } of texts) {
		bytes += Buffer.byteLength(text);
		if (bytes > LOAD_LIMITS.bytes)
			loader.problems.push({
				file: name,
				message: `input is larger than ${LOAD_LIMITS.bytes / 1024 / 1024} MiB`,
				hint: "split it into several calls",
			});
		else loader.readText(new SourceText(name, text));
	}
	return loader.result();
}

/** Reads one document, or a list of them, as JSON.parse() gives them. */
export function loadJson(name: string, value: unknown): Loaded {
	const loader = new Loader();
	if (Array.isArray(value))
		for (const [index, item] of value.entries())
			loader.accept(item, new JsonSource(name, `/${index}`));
	else loader.accept(value, new JsonSource(name));
	return loader.result();
}

class Loader {
	readonly problems: Problem[] = [];
	private readonly documents: IntentDocument[] = [];
	private readonly sources = new Map<IntentDocument, Source>();
	private readonly seen = new Map<string, Source>();

	result(): Loaded {
		const { problems } = this;
		const more = problems.length - LOAD_LIMITS.problems;
		const shown = problems.slice(0, LOAD_LIMITS.problems);
		const last = shown.at(-1);
		if (more > 0 && last)
			shown.push({ file: last.file, message: `and ${more} more problems` });
		return {
			documents: this.documents,
			sources: this.sources,
			problems: shown,
		};
	}

	readText(text: SourceText): void {
		const fault = scan(text);
		if (fault) return void this.problems.push(fault);
		let found = 0;
		for (const yaml of parse(text.text)) {
			if (this.syntaxProblems(yaml, text)) return;
			if (yaml.contents === null || isEmpty(yaml.contents)) continue;
			found++;
			const converter = new Converter(text);
			const value = converter.convert(yaml.contents, 0);
			if (converter.problems.length > 0)
				this.problems.push(...converter.problems);
			else
				this.accept(
					value,
					new YamlSource(text, yaml.contents, converter.anchors),
				);
		}
		if (found === 0)
			this.problems.push({
				...text.place({ offset: 0, length: 1 }),
				message: "there is no document in it",
				hint: "begin with `kind:`, `name:` and `spec:`",
			});
	}

	/** Takes a document in, or notes what is wrong with it. */
	accept(value: unknown, source: Source): void {
		const faults = validateDocument(value);
		for (const { path, at, message, hint } of faults)
			this.problems.push({
				...(at === "key" ? source.key(path) : source.value(path)),
				message,
				...(hint ? { hint } : {}),
			});
		if (faults.length > 0) return;
		const document = value as IntentDocument;
		if (this.isRepeated(document, source)) return;
		if (!this.hasGoodRule(document, source)) return;
		this.documents.push(document);
		this.sources.set(document, source);
	}

	private isRepeated(document: IntentDocument, source: Source): boolean {
		const id = `${document.kind} ${document.name}`;
		const first = this.seen.get(id);
		if (!first) {
			this.seen.set(id, source);
			return false;
		}
		const { file, line, pointer } = first.value(["name"]);
		const where = line === undefined ? (pointer ?? file) : `${file}:${line}`;
		this.problems.push({
			...source.value(["name"]),
			message: `${document.kind} \`${document.name}\` is declared twice`,
			hint: `the first is at ${where}; give this one another name`,
		});
		return true;
	}

	private hasGoodRule(document: IntentDocument, source: Source): boolean {
		const { kind, spec } = document;
		if (kind !== "Policy" && kind !== "FlowClass") return true;
		const field = kind === "Policy" ? "rule" : "match";
		const text = kind === "Policy" ? spec.rule : spec.match;
		const parsed = kind === "Policy" ? parseRule(text) : parsePredicate(text);
		if (parsed.ok) return true;
		for (const { span, message, hint } of parsed.problems)
			this.problems.push({
				...source.value(["spec", field], { text, span }),
				message,
				...(hint ? { hint } : {}),
			});
		return false;
	}

	private syntaxProblems(yaml: Document, text: SourceText): boolean {
		const all = [...yaml.errors, ...yaml.warnings].slice(0, 5);
		for (const { pos, message, code } of all)
			this.problems.push({
				...text.place({ offset: pos[0], length: pos[1] - pos[0] }),
				message: plain(code, message),
				hint: syntaxHint(code, message),
			});
		return all.length > 0;
	}
}

/** Messages of the YAML parser may quote a hostile text at length. */
function plain(code: string, message: string): string {
	if (code === "TAG_RESOLVE_FAILED") return "YAML tags (`!…`) are not allowed";
	const first = message.split("\n", 1)[0] ?? "";
	return `YAML: ${first.length > 120 ? `${first.slice(0, 117)}…` : first}`;
}

const SYNTAX_HINTS: Readonly<Record<string, string>> = {
	TAB_AS_INDENT: "indent with spaces",
	BAD_INDENT: "entries of one mapping or list start in the same column",
	BLOCK_AS_IMPLICIT_KEY: "put text that contains `: ` in quotes",
	MULTILINE_IMPLICIT_KEY: "a key and its `:` stand on one line",
	MISSING_CHAR: "close the quote or bracket, or add the missing `:`",
	BAD_ALIAS: "name the anchor first: `&name`",
	TAG_RESOLVE_FAILED: "remove the tag",
	BLOCK_IN_FLOW: "close the bracket before the next line",
};

function syntaxHint(code: string, message: string): string {
	if (/end with a [\]}]/.test(message))
		return "close the bracket, and indent what stands inside it";
	return (
		SYNTAX_HINTS[code] ?? "check indentation, quotes and brackets near here"
	);
}

function parse(text: string): Document[] {
	const parsed = parseAllDocuments(text, {
		// Keys are checked by the converter: the library's check is quadratic.
		uniqueKeys: false,
		prettyErrors: false,
		logLevel: "silent",
		version: "1.2",
	});
	return [...parsed];
}

/** What the lexer puts between tokens; it has no width in the text. */
const LEXER_MARKS = new Set(["\u0002", "\u0018", "\u001f"]);

/**
 * Looks at the tokens before anything is built of them: the parser recurses
 * and would exhaust stack and memory on deep nesting.
 */
function scan(text: SourceText): Problem | undefined {
	let offset = 0;
	let tokens = 0;
	let flow = 0;
	let compact = 0;
	let fault: string | undefined;
	for (const token of new Lexer().lex(text.text)) {
		if (token === "[" || token === "{") flow++;
		else if (token === "]" || token === "}") flow--;
		else if (token === "-" || token === "?") compact++;
		else if (token === "\n" || token === "\r\n") compact = 0;
		else if (token.length > LOAD_LIMITS.indent && /^ +$/.test(token))
			fault = `indentation is deeper than ${LOAD_LIMITS.indent} columns`;
		if (Math.max(flow, compact) > LOAD_LIMITS.depth)
			fault = `nesting is deeper than ${LOAD_LIMITS.depth} levels`;
		if (++tokens > LOAD_LIMITS.tokens)
			fault = `YAML has more than ${LOAD_LIMITS.tokens} tokens`;
		if (fault)
			return {
				...text.place({ offset, length: 1 }),
				message: fault,
				hint: "split or flatten it",
			};
		if (!LEXER_MARKS.has(token)) offset += token.length;
	}
	return undefined;
}

const isEmpty = (node: Node): boolean =>
	isScalar(node) && node.value === null && (node.source ?? "") === "";

/** YAML nodes to plain values, with bounds the library does not keep. */
class Converter {
	readonly problems: Problem[] = [];
	readonly anchors = new Map<string, Node>();
	private nodes = 0;

	constructor(private readonly text: SourceText) {}

	convert(node: Node | null, depth: number): unknown {
		if (this.problems.length > 0 || node === null) return null;
		if (++this.nodes > LOAD_LIMITS.nodes)
			return this.bad(
				node,
				"aliases expand to too much",
				"write the values themselves",
			);
		if (depth > LOAD_LIMITS.depth)
			return this.bad(
				node,
				`nesting is deeper than ${LOAD_LIMITS.depth} levels`,
				"an alias must not stand inside its own anchor",
			);
		if (isAlias(node)) {
			const target = this.anchors.get(node.source);
			return target
				? this.convert(target, depth + 1)
				: this.bad(
						node,
						`unknown alias ${quoted(node.source)}`,
						`mark what it stands for: \`&${node.source}\`; text that begins with * needs quotes`,
					);
		}
		if ("anchor" in node && typeof node.anchor === "string")
			this.anchors.set(node.anchor, node);
		if (isScalar(node)) return node.value;
		if (isSeq(node))
			return node.items.map((item) => this.convert(item as Node, depth + 1));
		return isMap(node) ? this.convertMap(node.items, depth) : null;
	}

	private convertMap(
		items: readonly { key: unknown; value: unknown }[],
		depth: number,
	): unknown {
		const out: Record<string, unknown> = {};
		const keys = new Map<string, Node>();
		for (const { key, value } of items) {
			const name = keyText(key);
			const node = key as Node;
			if (name === undefined || name === "__proto__")
				return this.bad(
					node,
					"this cannot be a key",
					"keys are plain words such as `kind`",
				);
			const first = keys.get(name);
			if (first) {
				const { line } = this.text.place({
					offset: first.range?.[0] ?? 0,
					length: 1,
				});
				return this.bad(
					node,
					`key ${quoted(name)} is given twice`,
					name === "kind"
						? "put a line `---` between two documents"
						: `the first is in line ${line}; keep one of them`,
				);
			}
			keys.set(name, node);
			out[name] = this.convert(value as Node | null, depth + 1);
		}
		return out;
	}

	private bad(node: Node | null, message: string, hint?: string): null {
		const [offset = 0, end = offset] = node?.range ?? [];
		this.problems.push({
			...this.text.place({ offset, length: end - offset }),
			message,
			...(hint ? { hint } : {}),
		});
		return null;
	}
}
