/**
 * Where a document came from: finds the place of each part of it, in the YAML
 * text it was read from or by JSON pointer.
 */
import {
	type Alias,
	isAlias,
	isMap,
	isPair,
	isScalar,
	isSeq,
	type Node,
	type Scalar,
} from "yaml";
import { excerptOf, type Place, type Span } from "./problem.js";

/** Keys and indices that lead to a part of a document. */
export type Path = readonly (string | number)[];

export interface Source {
	/** Place of the value at `path`, or of what remains of the path. */
	value(path: Path, within?: Within): Place;
	/** Place of the key itself. */
	key(path: Path): Place;
}

/** A part of a string value: its text and the place in it. */
export interface Within {
	readonly text: string;
	readonly span: Span;
}

/** A named text and its lines. */
export class SourceText {
	private readonly starts: number[] = [0];

	constructor(
		readonly file: string,
		readonly text: string,
	) {
		for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1))
			this.starts.push(at + 1);
	}

	place(span: Span): Place {
		const offset = Math.min(Math.max(0, span.offset), this.text.length);
		let low = 0;
		let high = this.starts.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if ((this.starts[middle] ?? 0) <= offset) low = middle;
			else high = middle - 1;
		}
		const start = this.starts[low] ?? 0;
		const end = this.starts[low + 1] ?? this.text.length + 1;
		const line = this.text.slice(start, end - 1).replace(/\r$/, "");
		const column = offset - start;
		const length = Math.max(1, Math.min(span.length, line.length - column));
		return {
			file: this.file,
			line: low + 1,
			column: column + 1,
			...excerptOf(line, column, length),
		};
	}
}

type Anchors = ReadonlyMap<string, Node>;

/** A document read from YAML text. */
export class YamlSource implements Source {
	constructor(
		private readonly text: SourceText,
		private readonly root: Node,
		private readonly anchors: Anchors,
	) {}

	value(path: Path, within?: Within): Place {
		const { node, key } = this.find(path);
		if (within && isScalar(node)) return this.inside(node, within);
		return this.at(isScalar(node) || isAlias(node) ? node : (key ?? node));
	}

	key(path: Path): Place {
		const { node, key } = this.find(path);
		return this.at(key ?? node);
	}

	private at(node: Node | undefined): Place {
		const [offset = 0, end = offset] = node?.range ?? [];
		if (isScalar(node) || isAlias(node))
			return this.text.place({ offset, length: end - offset });
		return this.text.place({ offset, length: 1 });
	}

	private inside(node: Scalar, within: Within): Place {
		const [offset = 0, end = offset] = node.range ?? [];
		const raw = this.text.text.slice(offset, end);
		const inner = spanInScalar(raw, within);
		if (!inner) return this.at(node);
		return this.text.place({ ...inner, offset: offset + inner.offset });
	}

	private find(path: Path): { node: Node; key?: Node } {
		let node = this.root;
		let key: Node | undefined;
		for (const step of path) {
			const holder = this.resolve(node);
			if (isMap(holder)) {
				const pair = holder.items.find(
					(item) => isPair(item) && keyText(item.key) === String(step),
				);
				if (!pair) break;
				key = pair.key as Node;
				node = (pair.value as Node | null) ?? key;
			} else if (isSeq(holder)) {
				const item = holder.items[Number(step)];
				if (!item) break;
				key = undefined;
				node = item as Node;
			} else break;
		}
		return key ? { node, key } : { node };
	}

	private resolve(node: Node): Node {
		return isAlias(node)
			? (this.anchors.get((node as Alias).source) ?? node)
			: node;
	}
}

export const keyText = (key: unknown): string | undefined =>
	isScalar(key) ? String(key.value) : undefined;

/**
 * Where a part of a scalar's value stands in its YAML form. Quoting and folding
 * add and change white space only, so characters are counted without it;
 * undefined when escapes make the two differ.
 */
function spanInScalar(raw: string, { text, span }: Within): Span | undefined {
	let start = 0;
	let end = raw.length;
	if (/^[|>]/.test(raw)) start = raw.indexOf("\n") + 1;
	else if (/^["']/.test(raw)) [start, end] = [1, raw.length - 1];
	const places: number[] = [];
	for (let i = start; i < end; i++) if (!isSpace(raw, i)) places.push(i);
	const dense = (of: string) => of.replace(/\s/g, "");
	if (dense(raw.slice(start, end)) !== dense(text)) return undefined;
	const before = dense(text.slice(0, span.offset)).length;
	const last =
		before + dense(text.slice(span.offset, span.offset + span.length)).length;
	const from = places[before];
	const behind = (places.at(-1) ?? start) + 1;
	if (from === undefined) return { offset: behind, length: 1 };
	const to = (places[Math.max(before, last - 1)] ?? from) + 1;
	return { offset: from, length: to - from };
}

const isSpace = (text: string, at: number): boolean =>
	/\s/.test(text.charAt(at));

/** A document that came parsed, or out of the store. */
export class JsonSource implements Source {
	constructor(
		private readonly name: string,
		private readonly prefix = "",
	) {}

	value(path: Path, within?: Within): Place {
		const place = this.key(path);
		if (!within) return place;
		const { offset, length } = within.span;
		const before = within.text.slice(0, offset);
		const start = before.lastIndexOf("\n") + 1;
		const line = within.text.slice(start).split("\n", 1)[0] ?? "";
		return { ...place, ...excerptOf(line, offset - start, length) };
	}

	key(path: Path): Place {
		const steps = path.map(
			(step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`,
		);
		return { file: this.name, pointer: this.prefix + steps.join("") };
	}
}
