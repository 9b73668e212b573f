/** Collects the problems that checks find in one document. */
import { type Problem, type Span, suggest } from "./problem.js";
import type { Path, Source } from "./source.js";

export class Report {
	constructor(
		private readonly out: Problem[],
		private readonly source: Source,
	) {}

	/** A problem with the value at `path`. */
	value(
		path: Path,
		message: string,
		hint?: string,
		severity?: "warning",
	): void {
		const place = this.source.value(path);
		this.add({ ...place, message, ...(severity ? { severity } : {}) }, hint);
	}

	/** A problem with a key, or with its absence. */
	key(path: Path, message: string, hint?: string): void {
		this.add({ ...this.source.key(path), message }, hint);
	}

	/** A problem with a part of a text value. */
	within(
		path: Path,
		text: string,
		span: Span,
		message: string,
		hint?: string,
		severity?: "warning",
	): void {
		const place = this.source.value(path, { text, span });
		this.add({ ...place, message, ...(severity ? { severity } : {}) }, hint);
	}

	/** The value must be one of `known`. Whether it is. */
	reference(
		path: Path,
		kind: string,
		name: string,
		known: ReadonlyMap<string, unknown>,
	): boolean {
		if (known.has(name)) return true;
		this.value(path, unknownName(kind, name), nameHint(kind, name, known));
		return false;
	}

	private add(problem: Problem, hint?: string): void {
		this.out.push(hint ? { ...problem, hint } : problem);
	}
}

export const unknownName = (kind: string, name: string): string =>
	`there is no ${kind} \`${name}\``;

export const nameHint = (
	kind: string,
	name: string,
	known: ReadonlyMap<string, unknown>,
): string =>
	suggest(name, known.keys()) ??
	`declare it: \`kind: ${documentKind(kind)}\`, \`name: ${name}\``;

/** `flow class` is a `FlowClass`. */
const documentKind = (words: string): string =>
	words.replace(/(?:^| )([a-z])/g, (_, letter: string) => letter.toUpperCase());
