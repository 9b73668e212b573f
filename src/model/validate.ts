/**
 * Checks a value against a schema of intent.ts and says in a user's words what
 * is wrong. Compiled TypeBox validators judge; this module only explains.
 */

import { Type } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { documents, type IntentDocument, type Kind } from "./intent.js";
import { INTERFACE_NAME, INTERFACE_NAME_RULE } from "./interface-name.js";
import { closest, quoted, suggest } from "./problem.js";
import type { Path } from "./source.js";
import { NAME, NAME_RULE } from "./terms.js";

export interface SchemaProblem {
	readonly path: Path;
	/** Whether the key is at fault, or its value. */
	readonly at: "key" | "value";
	readonly message: string;
	readonly hint?: string;
}

/** Options of a schema that its TypeBox type does not show. */
interface Bounds {
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly minimum?: number;
	readonly maximum?: number;
	readonly minLength?: number;
	readonly maxLength?: number;
	readonly pattern?: string;
	readonly description?: string;
}

const KINDS = Object.keys(documents) as Kind[];
const validators = new Map<Kind, Validator>();

/** A document's schema is compiled when it is first needed: the CLI starts faster. */
function validatorOf(kind: Kind): Validator {
	const known = validators.get(kind);
	if (known) return known;
	const made: Validator = Compile(documents[kind]);
	validators.set(kind, made);
	return made;
}

/** Problems of a value that should be a document; none: it is one. */
export function validateDocument(value: unknown): SchemaProblem[] {
	if (!isRecord(value))
		return [
			{
				path: [],
				at: "value",
				message: `a document is a mapping, not ${describe(value)}`,
				hint: "begin with `kind:`, `name:` and `spec:`",
			},
		];
	const kind = KINDS.find((known) => known === value.kind);
	if (!kind) return [kindProblem(value)];
	if (validatorOf(kind).Check(value)) return [];
	const problems: SchemaProblem[] = [];
	explain(value, documents[kind], [], problems);
	if (problems.length > 0) return problems;
	return validatorOf(kind)
		.Errors(value)
		.map(({ instancePath, message }) => ({
			path: instancePath.split("/").slice(1),
			at: "value",
			message,
		}));
}

/** The value as a document, when it is one. */
export const isDocument = (value: unknown): value is IntentDocument =>
	validateDocument(value).length === 0;

function kindProblem(value: Record<string, unknown>): SchemaProblem {
	const known = `kinds: ${KINDS.join(", ")}`;
	if (typeof value.kind === "string")
		return {
			path: ["kind"],
			at: "value",
			message: `unknown kind ${quoted(value.kind)}`,
			hint: suggest(value.kind, KINDS) ?? known,
		};
	if ("kind" in value)
		return {
			path: ["kind"],
			at: "value",
			message: `\`kind\` must be a word, not ${describe(value.kind)}`,
			hint: known,
		};
	const near = Object.keys(value).find((key) => closest(key, ["kind"]));
	return {
		path: [],
		at: "key",
		message: "`kind` is missing",
		hint: near ? `did you write ${quoted(near)} for it?` : known,
	};
}

function explain(
	value: unknown,
	schema: Type.TSchema,
	path: Path,
	out: SchemaProblem[],
): void {
	const bad = (message: string, hint?: string) =>
		out.push({ path, at: "value", message, ...(hint ? { hint } : {}) });
	const what = path.length > 0 ? `\`${nameOf(path)}\`` : "a document";
	if (Type.IsObject(schema)) {
		if (isRecord(value)) explainObject(value, schema, path, out);
		else bad(`${what} must be a mapping, not ${describe(value)}`);
	} else if (Type.IsArray(schema)) {
		if (!Array.isArray(value))
			return void bad(
				`${what} must be a list, not ${describe(value)}`,
				isScalarValue(value)
					? `did you mean \`[${String(value)
							.trim()
							.split(/[\s,]+/)
							.slice(0, 8)
							.join(", ")}]\`?`
					: HINTS[String(path.at(-1))],
			);
		const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } =
			schema as Bounds;
		if (value.length < minItems)
			bad(
				`${what} needs at least ${minItems} entry`,
				HINTS[String(path.at(-1))],
			);
		if (value.length > maxItems)
			bad(`${what} has ${value.length} entries, more than ${maxItems}`);
		for (const [index, item] of value.slice(0, maxItems).entries())
			explain(item, schema.items, [...path, index], out);
	} else if (Type.IsUnion(schema)) explainUnion(value, schema, path, out);
	else if (Type.IsString(schema)) explainString(value, schema, path, bad);
	else if (Type.IsInteger(schema)) {
		const { minimum = -Infinity, maximum = Infinity } = schema as Bounds;
		if (typeof value !== "number" || !Number.isInteger(value))
			bad(
				`${what} must be a whole number, not ${describe(value)}`,
				typeof value === "string" && /^\d+$/.test(value)
					? "write it without quotes"
					: undefined,
			);
		else if (value < minimum || value > maximum)
			bad(`${what} is ${value}`, `it may be ${minimum} to ${maximum}`);
	} else if (Type.IsBoolean(schema) && typeof value !== "boolean")
		bad(
			`${what} must be true or false, not ${describe(value)}`,
			/^(yes|on)$/i.test(wordOf(value))
				? "did you mean `true`?"
				: /^(no|off)$/i.test(wordOf(value))
					? "did you mean `false`?"
					: undefined,
		);
}

function explainObject(
	value: Record<string, unknown>,
	schema: Type.TObject,
	path: Path,
	out: SchemaProblem[],
): void {
	const known = Object.keys(schema.properties);
	for (const key of Object.keys(value)) {
		if (known.includes(key)) continue;
		const free = known.filter((name) => !(name in value));
		const hint = suggest(key, free, `keys: ${known.join(", ")}`);
		const message = `unknown key ${quoted(key)}`;
		out.push({
			path: [...path, key],
			at: "key",
			message,
			...(hint ? { hint } : {}),
		});
	}
	for (const key of schema.required ?? []) {
		if (key in value) continue;
		// Its misspelt form is reported already, as an unknown key.
		const unknown = Object.keys(value).filter((k) => !known.includes(k));
		if (unknown.some((other) => closest(other, [key]))) continue;
		const hint = HINTS[key];
		const message = `\`${key}\` is missing`;
		out.push({ path, at: "key", message, ...(hint ? { hint } : {}) });
	}
	for (const [key, inner] of Object.entries(schema.properties))
		if (key in value) explain(value[key], inner, [...path, key], out);
}

/** Objects of strangers may have a `toString` that is none. */
const wordOf = (value: unknown): string =>
	isScalarValue(value) ? String(value) : "";

function explainUnion(
	value: unknown,
	schema: Type.TUnion,
	path: Path,
	out: SchemaProblem[],
): void {
	const words = schema.anyOf.flatMap((option) =>
		Type.IsLiteral(option) ? [String(option.const)] : [],
	);
	const mapping = schema.anyOf.find((option) => Type.IsObject(option));
	if (words.length > 0) {
		if (typeof value === "string" && words.includes(value)) return;
		if (mapping && isRecord(value))
			return void explainObject(value, mapping, path, out);
		const hint = suggest(wordOf(value), words, `known: ${words.join(", ")}`);
		const message = isScalarValue(value)
			? `\`${nameOf(path)}\` cannot be ${quoted(wordOf(value))}`
			: `\`${nameOf(path)}\` must be a word${mapping ? " or a mapping" : ""}, not ${describe(value)}`;
		out.push({ path, at: "value", message, ...(hint ? { hint } : {}) });
		return;
	}
	// Mappings that differ in their keys: explain the one the user came closest to.
	const attempts = schema.anyOf.map((option) => {
		const problems: SchemaProblem[] = [];
		explain(value, option, path, problems);
		return problems;
	});
	attempts.sort((a, b) => a.length - b.length);
	const forms = schema.anyOf
		.flatMap((o) => (Type.IsObject(o) ? Object.keys(o.properties) : []))
		.map((key) => `\`${key}\``);
	if (attempts[0]?.length === 0) return;
	if (isRecord(value) && Object.keys(value).length === 1) {
		const [key = ""] = Object.keys(value);
		const options = forms.map((form) => form.slice(1, -1));
		if (!options.includes(key)) {
			const hint = suggest(key, options);
			const message = `unknown key ${quoted(key)}`;
			const at = "key";
			out.push({
				path: [...path, key],
				at,
				message,
				...(hint ? { hint } : {}),
			});
			return;
		}
		const mine = attempts.find((a) => !a.some((p) => p.at === "key"));
		if (mine) return void out.push(...mine);
	}
	out.push({
		path,
		at: "value",
		message: `\`${nameOf(path)}\` must be a mapping with exactly one of ${forms.join(", ")}`,
		hint: HINTS[String(path.at(-1))] ?? `keys: ${forms.join(", ")}`,
	});
}

function explainString(
	value: unknown,
	schema: Type.TString,
	path: Path,
	bad: (message: string, hint?: string) => void,
): void {
	const what = `\`${nameOf(path)}\``;
	if (typeof value !== "string") {
		bad(
			`${what} must be text, not ${describe(value)}`,
			isScalarValue(value)
				? `did you mean \`"${value}"\`? it needs quotes`
				: undefined,
		);
		return;
	}
	const { minLength = 0, maxLength = Infinity, pattern } = schema as Bounds;
	if (value.length < minLength)
		bad(`${what} must not be empty`, HINTS[String(path.at(-1))]);
	else if (value.length > maxLength)
		bad(
			`${what} has ${value.length} characters`,
			`it may have ${maxLength} at most`,
		);
	else if (pattern !== undefined && !new RegExp(pattern).test(value))
		bad(
			`${what} cannot be ${quoted(value)}`,
			patternHint(value, schema as Bounds),
		);
}

/** The nearest allowed name, or what is allowed. */
function patternHint(value: string, schema: Bounds): string {
	const pattern = new RegExp(schema.pattern ?? "");
	const lower = value
		.toLowerCase()
		.replace(/[^a-z0-9]+/g, "-")
		.replace(/^-+|-+$/g, "");
	if (schema.pattern === INTERFACE_NAME) return interfaceHint(value);
	if (schema.pattern !== NAME)
		return schema.description ?? `it must match ${schema.pattern}`;
	return lower !== "" && pattern.test(lower) && lower.length <= 40
		? `did you mean \`${lower}\`? (${NAME_RULE})`
		: NAME_RULE;
}

const interfaceHint = (value: string): string =>
	value.length > 15
		? "names of Linux interfaces have at most 15 characters"
		: INTERFACE_NAME_RULE;

const HINTS: Readonly<Record<string, string>> = {
	rule: "rule: match(src=10.0.1.0/24 & proto=tcp) >> firewall -> monitor",
	subnets: "subnets: [10.0.1.0/24]",
	interfaces: "interfaces: [{ name: eth0, role: access, tenant: blue }]",
	attach: "attach: routed, bridged or tap",
	runtime: "runtime: process or external",
	instances: "instances: [{ name: firewall-1, node: edge1 }]",
	role: "role: access, exit or underlay",
	name: "name: lower-case letters, digits and dashes",
	spec: "what is declared stands under `spec:`",
	ruleset: "ruleset: { file: /etc/chainmail/rules.nft } or { text: … }",
	command: "command: [tcpdump, -i, tap]",
	match: "match: proto=tcp & dport={25, 465, 587}",
	when: "when: always, between-nodes, between-domains or never",
};

const nameOf = (path: Path): string => {
	const last = path.at(-1) ?? "";
	return typeof last === "number"
		? `${String(path.at(-2) ?? "")}[${last}]`
		: last.length > 60
			? `${last.slice(0, 57)}…`
			: last;
};

export const isRecord = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

const isScalarValue = (value: unknown): value is string | number | boolean =>
	["string", "number", "boolean"].includes(typeof value);

function describe(value: unknown): string {
	if (value === null || value === undefined) return "empty";
	if (Array.isArray(value)) return "a list";
	if (isRecord(value)) return "a mapping";
	return typeof value === "string"
		? `text ${quoted(value)}`
		: quoted(String(value));
}
