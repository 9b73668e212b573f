/** Documents from outside to the next intent: checked, with located problems. */
import {
	applyDocuments,
	documentsOf,
	removeDocument,
} from "../model/change.js";
import { checkIntent } from "../model/check.js";
import { conflictProblems } from "../model/conflicts.js";
import type { Intent, Kind } from "../model/intent.js";
import { loadJson } from "../model/load.js";
import type { Problem as ModelProblem } from "../model/problem.js";
import { Fault, type Problem } from "./fault.js";
import { checkRekey } from "./key-quota.js";
import { mayDeclare, mayTouch } from "./permission.js";
import { checkQuota, checkRequest, effortOf } from "./quota.js";
import type { Identity } from "./tokens.js";

export interface DeclaredChange {
	readonly kind: string;
	readonly name: string;
	readonly action: "created" | "changed" | "unchanged" | "deleted";
}

export interface Declared {
	readonly intent: Intent;
	readonly changes: readonly DeclaredChange[];
	readonly warnings: readonly Problem[];
}

/** Stands in problems for the request's documents; others stand by their names. */
const REQUEST = "documents";
/** Nothing else is done meanwhile, not even the agents are heard. */
const CONFLICTS_MS = 300;
const UNSEARCHED: Problem = {
	message: `conflicts: not searched to the end, there may be more (the search ends after ${CONFLICTS_MS} ms)`,
};

/**
 * The intent with these documents (parsed JSON of strangers) put in. Throws
 * Fault invalid_document with every problem, forbidden, or quota_exceeded.
 */
export function declare(
	intent: Intent,
	documents: readonly unknown[],
	caller: Identity,
): Declared {
	checkRequest(caller, documents);
	const loaded = loadJson(REQUEST, documents);
	refuse(loaded.problems, documents);
	for (const document of loaded.documents) {
		mayDeclare(caller, document, intent);
		checkRekey(caller, document);
	}
	const { intent: next, changes } = applyDocuments(intent, loaded.documents);
	const problems = checkIntent(next, loaded.sources, effortOf(caller));
	refuse(problems, documents, caller);
	checkQuota(caller, next);
	const conflicts = conflictProblems(next, loaded.sources, {
		forMs: CONFLICTS_MS,
		...(caller.tenant !== undefined && { tenant: caller.tenant }),
	});
	problems.push(...conflicts.problems);
	return {
		intent: next,
		changes: changes.map(({ kind, name, change }) => ({
			kind,
			name,
			action: change === "removed" ? "deleted" : change,
		})),
		warnings: [
			...located(problems, documents, caller),
			...(conflicts.complete ? [] : [UNSEARCHED]),
		],
	};
}

/** The intent without that document. Throws Fault not_found, in_use or forbidden. */
export function withdraw(
	intent: Intent,
	kind: Kind,
	name: string,
	caller: Identity,
): Declared {
	const document = documentsOf(intent, kind).get(name);
	const tenant = document?.kind === "Policy" ? document.spec.tenant : undefined;
	const isHidden = caller.tenant !== undefined && tenant !== caller.tenant;
	if (!document || (isHidden && kind === "Policy")) {
		throw new Fault(
			"not_found",
			`delete ${kind} ${name}: there is none of that name (list them with \`chainmail get\`)`,
		);
	}
	mayTouch(caller, kind, name, intent);
	const removal = removeDocument(intent, kind, name);
	if (!removal.ok) {
		throw new Fault(
			"in_use",
			removal.message,
			removal.referencedBy.map((by) => ({
				message: `${by.kind} ${by.name} refers to it`,
			})),
		);
	}
	return {
		intent: removal.intent,
		changes: [{ kind, name, action: "deleted" }],
		warnings: [],
	};
}

function refuse(
	problems: readonly ModelProblem[],
	documents: readonly unknown[],
	caller?: Identity,
): void {
	const wrong = problems.filter((problem) => problem.severity !== "warning");
	const [first] = wrong;
	if (!first) return;
	const shown = located(wrong, documents, caller);
	const count = wrong.length === 1 ? "" : ` (and ${wrong.length - 1} more)`;
	throw new Fault(
		"invalid_document",
		`apply: ${shown[0]?.message ?? "other documents have problems"}${count}`,
		shown,
	);
}

/** For the API; a tenant is not told about documents it did not send. */
function located(
	problems: readonly ModelProblem[],
	documents: readonly unknown[],
	caller?: Identity,
): Problem[] {
	return problems
		.filter(({ file }) => file === REQUEST || caller?.tenant === undefined)
		.map((problem) => locate(problem, documents));
}

function locate(problem: ModelProblem, documents: readonly unknown[]): Problem {
	const { file, message, hint } = problem;
	const withHint = hint === undefined ? {} : { hint };
	if (file !== REQUEST) {
		return { message: `${file}: ${message}`, ...withHint };
	}
	// `/3/spec/rule`: the loader was given the list, its first step is the index.
	const [, index = "0", ...steps] = (problem.pointer ?? "").split("/");
	const document = Number(index);
	const pointer = steps.map((step) => `/${step}`).join("");
	return {
		message,
		...withHint,
		document,
		pointer,
		...spanOf(problem, valueAt(documents[document], steps)),
	};
}

/** The caret is relative to the line that is shown: back to the whole text. */
function spanOf(
	{ excerpt, caret }: ModelProblem,
	value: unknown,
): { offset: number; length: number } | undefined {
	if (excerpt === undefined || !caret || typeof value !== "string") {
		return undefined;
	}
	const start = value.indexOf(excerpt);
	if (start < 0) return undefined;
	return { offset: start + caret.offset, length: caret.length };
}

function valueAt(value: unknown, steps: readonly string[]): unknown {
	let at = value;
	for (const step of steps) {
		const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
		if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) {
			return undefined;
		}
		at = (at as Record<string, unknown>)[key];
	}
	return at;
}
