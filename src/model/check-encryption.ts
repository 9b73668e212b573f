/** Checks of what a policy says of encryption: it must be possible, and mean something. */
import { tenantsOf } from "./check-policy.js";
import { Effort, EffortSpentError } from "./compile.js";
import { type Encryption, encryptionOf } from "./encryption.js";
import { narrowed, partsOf } from "./flow-class.js";
import type { Intent, PolicyDocument } from "./intent.js";
import { parseRule, type Rule, type RulePlaces } from "./language/index.js";
import { measure } from "./measure.js";
import type { Report } from "./report.js";

const ENCRYPT = ["spec", "encrypt"];
const RULE = ["spec", "rule"];

/**
 * Throws nothing; what the rule itself has wrong is reported elsewhere. What
 * exceptions take to compile is taken from `effort`.
 */
export function checkEncryption(
	policy: PolicyDocument,
	intent: Intent,
	report: Report,
	effort = new Effort(),
): void {
	const { spec } = policy;
	const encryption = encryptionOf(spec);
	checkExceptions(encryption, intent, report);
	const { when, protect, integrity } = encryption;
	if (when === "never" && protect)
		report.value(
			[...ENCRYPT, "protect"],
			"only encrypted policies are protected",
			"write `when: between-nodes`, or remove `protect`",
		);
	if (when === "between-domains") checkDomains(intent, report);
	const parsed = parseRule(spec.rule);
	if (!parsed.ok) return;
	const { rule, places } = parsed;
	const { kind } = rule.action;
	if (kind !== "chain") {
		for (const [field, off] of [
			["encrypt", when === "never"],
			["integrity", integrity === "off"],
		] as const)
			if (!off)
				report.value(
					["spec", field],
					`a policy that says \`${kind}\` has no hops between nodes`,
					kind === "pass"
						? `its packets leave by the node's own routes, in the clear: give it a chain, or remove \`${field}\``
						: `remove \`${field}\``,
				);
		return;
	}
	if (when === "always") checkExternal(spec.rule, rule, places, intent, report);
	checkClasses(policy, rule, intent, report, effort);
}

function checkExceptions(
	{ when, except }: Encryption,
	{ flowClasses }: Intent,
	report: Report,
): void {
	const path = [...ENCRYPT, "except"];
	if (when === "never" && except.length > 0)
		report.value(
			path,
			"nothing is encrypted, so nothing can be excepted",
			"write `when: between-nodes`, or remove `except`",
		);
	for (const [index, name] of except.entries()) {
		const at = [...path, index];
		if (except.indexOf(name) < index)
			report.value(at, `\`${name}\` is listed twice`, "remove one of them");
		else report.reference(at, "flow class", name, flowClasses);
	}
}

function checkDomains({ nodes }: Intent, report: Report): void {
	const domains = new Set([...nodes.values()].map(({ spec }) => spec.domain));
	if (nodes.size > 1 && domains.size === 1)
		report.value(
			ENCRYPT,
			"all nodes are of one trust domain: nothing is encrypted",
			"give nodes a `domain`, or write between-nodes",
			"warning",
		);
}

/** What is outside the node gets the packets as they are. */
function checkExternal(
	text: string,
	{ action }: Rule,
	places: RulePlaces,
	{ functions }: Intent,
	report: Report,
): void {
	if (action.kind !== "chain") return;
	for (const [index, name] of action.functions.entries()) {
		const found = functions.get(name)?.spec;
		if (found?.runtime !== "external") continue;
		report.within(
			RULE,
			text,
			places.functions[index] ?? { offset: 0, length: 1 },
			`function \`${name}\` is external: ${found.attach === "tap" ? "copies of the packets" : "the packets"} would leave the node in the clear`,
			"write `encrypt: between-nodes` to accept that, or run it on the node",
		);
	}
}

/** Each exception must have packets, and few enough keys. */
function checkClasses(
	policy: PolicyDocument,
	{ predicate }: Rule,
	intent: Intent,
	report: Report,
	effort: Effort,
): void {
	const { except } = encryptionOf(policy.spec);
	for (const { only } of partsOf(policy, intent)) {
		if (!only) continue;
		const at = [...ENCRYPT, "except", except.indexOf(only.name)];
		const fault = faultOf(policy, predicate, only, intent, effort);
		if (fault) report.value(at, fault.message, fault.hint, fault.severity);
	}
}

function faultOf(
	policy: PolicyDocument,
	predicate: Rule["predicate"],
	only: NonNullable<ReturnType<typeof partsOf>[number]["only"]>,
	intent: Intent,
	effort: Effort,
): { message: string; hint: string; severity?: "warning" } | undefined {
	const tenants = tenantsOf(policy, intent);
	try {
		const both = narrowed(predicate, { only });
		const made = tenants.map((tenant) =>
			measure(policy, both, tenant, effort, only),
		);
		const tooLarge = made.find((one) => one.tooLarge !== undefined);
		if (tooLarge?.tooLarge !== undefined)
			return {
				message: `with class \`${only.name}\`: ${tooLarge.tooLarge}`,
				hint: "use fewer negated prefixes and ranges",
			};
		return made.length === 0 || made.some((one) => one.matches)
			? undefined
			: {
					message: `no packet of the policy is of class \`${only.name}\``,
					hint: "remove it, or change the class's `match`",
					severity: "warning",
				};
	} catch (error) {
		if (error instanceof EffortSpentError)
			return {
				message: `with class \`${only.name}\` the rule takes too long to compile`,
				hint: "use fewer negations and alternatives",
			};
		/* The class itself has a problem, which is told there. */
		return undefined;
	}
}
