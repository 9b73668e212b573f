/** Changes to an intent: add, replace and remove documents. Nothing is mutated. */
import { isDeepStrictEqual } from "node:util";
import { encryptionOf } from "./encryption.js";
import type { Intent, IntentDocument, Kind } from "./intent.js";
import { parsePredicate, parseRule } from "./language/index.js";

export const KINDS: readonly Kind[] = [
	"Tenant",
	"Node",
	"Function",
	"FlowClass",
	"Policy",
];

export interface Change {
	readonly kind: Kind;
	readonly name: string;
	readonly change: "created" | "changed" | "unchanged" | "removed";
}

export const emptyIntent: Intent = {
	tenants: new Map(),
	nodes: new Map(),
	functions: new Map(),
	flowClasses: new Map(),
	policies: new Map(),
};

/** Priority of a policy that names none. */
export const DEFAULT_PRIORITY = 100;

const FIELD = {
	Tenant: "tenants",
	Node: "nodes",
	Function: "functions",
	FlowClass: "flowClasses",
	Policy: "policies",
} as const;

/** Documents of one kind, by name. */
export function documentsOf(
	intent: Intent,
	kind: Kind,
): ReadonlyMap<string, IntentDocument> {
	return intent[FIELD[kind]];
}

/** All documents: kind by kind, each in order of its names. */
export function allDocuments(intent: Intent): IntentDocument[] {
	return KINDS.flatMap((kind) =>
		[...documentsOf(intent, kind).values()].sort((a, b) =>
			compareNames(a.name, b.name),
		),
	);
}

/** By code unit, the same on every machine. */
export const compareNames = (a: string, b: string): number =>
	a < b ? -1 : a > b ? 1 : 0;

/**
 * The order in which policies are looked at: higher priority first, then by
 * name. A negative number puts `a` first.
 */
export function comparePolicies(
	a: { name: string; spec: { priority?: number } },
	b: { name: string; spec: { priority?: number } },
): number {
	const priority = (p: { spec: { priority?: number } }) =>
		p.spec.priority ?? DEFAULT_PRIORITY;
	return priority(b) - priority(a) || compareNames(a.name, b.name);
}

/** The intent with these documents put in, and what that changed. */
export function applyDocuments(
	intent: Intent,
	documents: readonly IntentDocument[],
): { intent: Intent; changes: Change[] } {
	const next = {
		tenants: new Map(intent.tenants),
		nodes: new Map(intent.nodes),
		functions: new Map(intent.functions),
		flowClasses: new Map(intent.flowClasses),
		policies: new Map(intent.policies),
	};
	const changes = documents.map((document): Change => {
		const { kind, name } = document;
		const before = documentsOf(next, kind).get(name);
		put(next, document);
		const same = before && isDeepStrictEqual(before, document);
		const change = !before ? "created" : same ? "unchanged" : "changed";
		return { kind, name, change };
	});
	return { intent: next, changes };
}

function put(
	maps: { [F in keyof Intent]: Map<string, IntentDocument> },
	document: IntentDocument,
): void {
	maps[FIELD[document.kind]].set(document.name, document);
}

export type Removal =
	| { readonly ok: true; readonly intent: Intent; readonly change: Change }
	| {
			readonly ok: false;
			/** "delete Function firewall: …" */
			readonly message: string;
			/** Who still needs it; empty when it does not exist. */
			readonly referencedBy: readonly { kind: Kind; name: string }[];
	  };

/** Takes one document out, unless others still name it. */
export function removeDocument(
	intent: Intent,
	kind: Kind,
	name: string,
): Removal {
	const operation = `delete ${kind} ${name}`;
	if (!documentsOf(intent, kind).has(name))
		return {
			ok: false,
			message: `${operation}: there is none of that name`,
			referencedBy: [],
		};
	const referencedBy = referencesTo(intent, kind, name);
	if (referencedBy.length > 0) {
		const who = referencedBy.map((r) => `${r.kind} ${r.name}`);
		const shown = who.slice(0, 5).join(", ");
		const more = who.length > 5 ? ` and ${who.length - 5} more` : "";
		return {
			ok: false,
			message: `${operation}: still used by ${shown}${more} (change or delete them first)`,
			referencedBy,
		};
	}
	const without = <T>(map: ReadonlyMap<string, T>, of: Kind) =>
		of === kind ? new Map([...map].filter(([key]) => key !== name)) : map;
	return {
		ok: true,
		intent: {
			tenants: without(intent.tenants, "Tenant"),
			nodes: without(intent.nodes, "Node"),
			functions: without(intent.functions, "Function"),
			flowClasses: without(intent.flowClasses, "FlowClass"),
			policies: without(intent.policies, "Policy"),
		},
		change: { kind, name, change: "removed" },
	};
}

/** Documents that name the given one. */
export function referencesTo(
	intent: Intent,
	kind: Kind,
	name: string,
): { kind: Kind; name: string }[] {
	return allDocuments(intent)
		.filter((document) =>
			referencesOf(document).some((r) => r.kind === kind && r.name === name),
		)
		.map((document) => ({ kind: document.kind, name: document.name }));
}

/** What a document names. */
function referencesOf(
	document: IntentDocument,
): readonly { kind: Kind; name: string }[] {
	const refs = (kind: Kind, names: readonly (string | undefined)[]) =>
		names.filter((n) => n !== undefined).map((name) => ({ kind, name }));
	switch (document.kind) {
		case "Tenant":
			return refs("Node", [document.spec.exit]);
		case "Node":
			return refs(
				"Tenant",
				document.spec.interfaces.map((i) => i.tenant),
			);
		case "Function":
			return [
				...refs("Tenant", document.spec.tenants ?? []),
				...refs(
					"Node",
					document.spec.instances.map((i) => i.node),
				),
			];
		case "FlowClass": {
			const parsed = parsePredicate(document.spec.match);
			const tenants = parsed.ok ? parsed.places.tenants : [];
			return refs(
				"Tenant",
				tenants.map((t) => t.name),
			);
		}
		case "Policy": {
			const classes = refs("FlowClass", encryptionOf(document.spec).except);
			const parsed = parseRule(document.spec.rule);
			if (!parsed.ok)
				return [...refs("Tenant", [document.spec.tenant]), ...classes];
			const { rule, places } = parsed;
			const { action } = rule;
			return [
				...refs("Tenant", [
					document.spec.tenant,
					...places.tenants.map((t) => t.name),
				]),
				...refs("Function", action.kind === "chain" ? action.functions : []),
				...classes,
			];
		}
	}
}
