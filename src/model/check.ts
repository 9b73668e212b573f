/**
 * Semantic checks over a whole intent: everything a schema cannot see. Each
 * problem points to its place when the document's source is known.
 */

import { prefixFault } from "./address.js";
import { allDocuments } from "./change.js";
import { checkEncryption } from "./check-encryption.js";
import { checkFunction } from "./check-function.js";
import { checkNodes } from "./check-node.js";
import { PolicyChecker } from "./check-policy.js";
import type { Effort } from "./compile.js";
import type {
	FlowClassDocument,
	Intent,
	IntentDocument,
	TenantDocument,
} from "./intent.js";
import { parsePredicate } from "./language/index.js";
import type { Problem } from "./problem.js";
import { nameHint, Report, unknownName } from "./report.js";
import { JsonSource, type Source } from "./source.js";

/** The place of a document: from its source, or by its kind and name. */
export const sourceOf = (
	document: IntentDocument,
	sources: ReadonlyMap<IntentDocument, Source>,
): Source =>
	sources.get(document) ?? new JsonSource(`${document.kind} ${document.name}`);

/**
 * All problems of an intent; none of severity "error": it can be planned.
 * Rules of documents with a source take from `effort` (default: any).
 */
export function checkIntent(
	intent: Intent,
	sources: ReadonlyMap<IntentDocument, Source> = new Map(),
	effort?: Effort,
): Problem[] {
	const problems: Problem[] = [];
	const reportOf = (document: IntentDocument) =>
		new Report(problems, sourceOf(document, sources));
	const policies = new PolicyChecker(intent);
	for (const document of allDocuments(intent)) {
		const report = reportOf(document);
		if (document.kind === "Tenant") checkTenant(document, intent, report);
		if (document.kind === "Function") checkFunction(document, intent, report);
		if (document.kind === "FlowClass") checkClass(document, intent, report);
		if (document.kind === "Policy") {
			const own = sources.has(document) ? effort : undefined;
			policies.check(document, report, own);
			checkEncryption(document, intent, report, own);
		}
	}
	checkNodes(intent, reportOf);
	return problems;
}

function checkClass(
	{ spec }: FlowClassDocument,
	{ tenants }: Intent,
	report: Report,
): void {
	const parsed = parsePredicate(spec.match);
	const path = ["spec", "match"];
	const { match } = spec;
	if (!parsed.ok)
		for (const { span, message, hint } of parsed.problems)
			report.within(path, match, span, message, hint);
	else
		for (const { name, span } of parsed.places.tenants)
			if (!tenants.has(name)) {
				const hint = nameHint("tenant", name, tenants);
				report.within(path, match, span, unknownName("tenant", name), hint);
			}
}

function checkTenant(
	{ name, spec }: TenantDocument,
	intent: Intent,
	report: Report,
): void {
	const seen = new Set<string>();
	for (const [index, subnet] of spec.subnets.entries()) {
		const path = ["spec", "subnets", index];
		const fault = prefixFault(subnet);
		if (fault) report.value(path, fault.message, fault.hint);
		else if (seen.has(subnet))
			report.value(path, `\`${subnet}\` is listed twice`, "remove one of them");
		seen.add(subnet);
	}
	if (spec.exit === undefined) return;
	const path = ["spec", "exit"];
	if (!report.reference(path, "node", spec.exit, intent.nodes)) return;
	const node = intent.nodes.get(spec.exit);
	const exits = (node?.spec.interfaces ?? []).filter((i) => i.role === "exit");
	if (!exits.some((i) => i.tenant === undefined || i.tenant === name))
		report.value(
			path,
			`node \`${spec.exit}\` has no exit interface for tenant \`${name}\``,
			"give the node an interface with `role: exit`",
		);
}
