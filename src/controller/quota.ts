/**
 * How much a tenant may declare, so that none can keep the controller or the
 * nodes' rule tables busy for the others. What staff declares for a tenant
 * counts, but staff is not held up.
 */
import { Effort } from "../model/compile.js";
import { narrowed, partsOf } from "../model/flow-class.js";
import type { Intent } from "../model/intent.js";
import { parseRule } from "../model/language/index.js";
import { measure } from "../model/measure.js";
import { MAX_MASKS } from "../plan/rule-sets.js";
import { Fault } from "./fault.js";
import type { Identity } from "./tokens.js";

export const TENANT_QUOTA = {
	policies: 1000,
	/** Characters of all rules together: each is read several times a change. */
	characters: 131_072,
	/** Masked keys that the policies compile to; a node holds 1,048,576. */
	keys: 16_384,
	/** Different masks among them: the other half is for operators' policies. */
	masks: MAX_MASKS / 2,
	/** Steps of compiling them all (boxes.ts), as a controller does that starts. */
	steps: 50_000,
} as const;

/** Steps that one change may take to compile: below a second, and some seconds. */
const TENANT_CHANGE_STEPS = 20_000;
const STAFF_CHANGE_STEPS = 250_000;

/** Characters of one request of a tenant's, as JSON. */
const REQUEST_CHARACTERS = 2 * TENANT_QUOTA.characters;

/** For the rules of one change of the caller's. */
export function effortOf(caller: Identity): Effort {
	return new Effort(
		caller.tenant === undefined ? STAFF_CHANGE_STEPS : TENANT_CHANGE_STEPS,
	);
}

/** Before documents are looked at: throws Fault quota_exceeded. */
export function checkRequest(
	{ tenant }: Identity,
	documents: readonly unknown[],
): void {
	if (tenant === undefined) return;
	const { length } = JSON.stringify(documents);
	if (length <= REQUEST_CHARACTERS) return;
	throw new Fault(
		"quota_exceeded",
		`apply: the documents have ${length} characters, at most ${REQUEST_CHARACTERS} of a tenant's are read at once (apply fewer at a time)`,
	);
}

/** Throws Fault quota_exceeded where a tenant's caller goes beyond its own. */
export function checkQuota({ tenant }: Identity, intent: Intent): void {
	if (tenant === undefined) return;
	const own = [...intent.policies.values()].filter(
		({ spec }) => spec.tenant === tenant,
	);
	if (own.length > TENANT_QUOTA.policies) {
		throw exceeded(tenant, "policies", own.length);
	}
	const characters = own.reduce((sum, { spec }) => sum + spec.rule.length, 0);
	if (characters > TENANT_QUOTA.characters) {
		throw exceeded(tenant, "characters", characters);
	}
	const masks = new Set<string>();
	let keys = 0;
	let steps = 0;
	for (const policy of own) {
		const parsed = parseRule(policy.spec.rule);
		if (!parsed.ok) continue;
		for (const part of partsOf(policy, intent)) {
			const predicate = narrowed(parsed.rule.predicate, part);
			const made = measure(policy, predicate, tenant, new Effort(), part.only);
			for (const mask of made.masks) masks.add(mask);
			keys += made.keys;
			steps += made.steps;
		}
	}
	for (const [what, count] of [
		["keys", keys],
		["masks", masks.size],
		["steps", steps],
	] as const) {
		if (count > TENANT_QUOTA[what]) throw exceeded(tenant, what, count);
	}
}

const MEANING = {
	policies: ["policies", "delete some, or join their rules with `|`"],
	characters: ["characters in its rules", "use ranges and prefixes"],
	keys: ["masked keys when compiled", "use fewer ranges and negations"],
	masks: [
		"different combinations of prefix lengths and ranges",
		"use fewer kinds of predicates",
	],
	steps: ["steps to compile", "use fewer negations and alternatives"],
} as const;

function exceeded(
	tenant: string,
	what: keyof typeof TENANT_QUOTA,
	count: number,
): Fault {
	const [meaning, fix] = MEANING[what];
	return new Fault(
		"quota_exceeded",
		`apply: tenant ${tenant} would have ${count} ${meaning}, at most ${TENANT_QUOTA[what]} (${fix})`,
	);
}
