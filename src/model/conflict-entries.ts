/** What a search for conflicts compares: the keys of each policy and exception, by tenant. */
import type { Budget } from "./budget.js";
import { comparePolicies, DEFAULT_PRIORITY } from "./change.js";
import { tenantsOf } from "./check-policy.js";
import { compilePredicate, PredicateTooLargeError } from "./compile.js";
import { narrowed, type PolicyPart, partsOf } from "./flow-class.js";
import type { Intent, PolicyDocument } from "./intent.js";
import {
	type Predicate,
	parseRule,
	printAction,
	type Rule,
} from "./language/index.js";
import type { MaskedKey } from "./packet.js";
import { type Ternary, toTernary } from "./ternary.js";

/** One policy, or an exception of it, as it applies to a tenant. */
export interface Entry {
	readonly policy: PolicyDocument;
	/** The class of an exception. */
	readonly only?: string;
	readonly predicate: Predicate;
	/** What becomes of packets, encryption included. */
	readonly action: string;
	readonly priority: number;
	/** Position in the order of evaluation. */
	readonly rank: number;
	readonly keys: readonly Key[];
}

export interface Key {
	readonly bits: Ternary;
	readonly entry: Entry;
}

/** To parse a rule counts as much as to compare so many keys. */
const PARSE_WORK = 16;

/** Compiles each part of a policy once, or once a tenant where it names tenants. */
export class EntryCompiler {
	private readonly parsed: {
		policy: PolicyDocument;
		rule: Rule;
		parts: readonly {
			readonly part: PolicyPart;
			readonly predicate: Predicate;
			readonly action: string;
		}[];
		perTenant: boolean;
		tenants: ReadonlySet<string>;
	}[] = [];
	private readonly shared = new Map<string, readonly MaskedKey[]>();

	constructor(
		private readonly intent: Intent,
		tenant: string | undefined,
		private readonly budget: Budget,
	) {
		const policies = [...intent.policies.values()]
			.filter(
				({ spec }) =>
					tenant === undefined ||
					spec.tenant === undefined ||
					spec.tenant === tenant,
			)
			.sort(comparePolicies);
		for (const policy of policies) {
			if (!budget.spend(PARSE_WORK)) break;
			const parsed = parseRule(policy.spec.rule);
			if (!parsed.ok) continue;
			const { rule, places } = parsed;
			const parts = partsOf(policy, intent).map((part) => ({
				part,
				predicate: narrowed(rule.predicate, part),
				action: actionOf(rule, part),
			}));
			this.parsed.push({
				policy,
				rule,
				parts,
				perTenant: places.tenants.length > 0 || parts.length > 1,
				tenants: new Set(tenantsOf(policy, intent)),
			});
		}
	}

	/** Equal for tenants whose policies are the same, rule by rule. */
	signature(tenant: string): string {
		const own = this.parsed.filter(
			(p) => p.tenants.has(tenant) && (p.perTenant || p.tenants.size === 1),
		);
		return this.intent.tenants.size === 1 || own.length > 0 ? tenant : "";
	}

	entries(tenant: string): Entry[] {
		const entries: Entry[] = [];
		for (const { policy, parts, perTenant, tenants } of this.parsed) {
			if (!tenants.has(tenant)) continue;
			for (const { part, predicate, action } of parts) {
				const keys = this.keys(part.flowClass, predicate, perTenant, tenant);
				if (!this.budget.spend(keys.length)) return [];
				const made: Entry & { keys: Key[] } = {
					policy,
					...(part.only && { only: part.only.name }),
					predicate,
					action,
					priority: policy.spec.priority ?? DEFAULT_PRIORITY,
					rank: entries.length,
					keys: [],
				};
				made.keys.push(
					...keys.map((key) => ({ bits: toTernary(key), entry: made })),
				);
				entries.push(made);
			}
		}
		return entries;
	}

	private keys(
		flowClass: string,
		predicate: Predicate,
		perTenant: boolean,
		tenant: string,
	): readonly MaskedKey[] {
		const known = perTenant ? undefined : this.shared.get(flowClass);
		if (known) return known;
		try {
			const keys = compilePredicate(predicate, tenant);
			if (!perTenant) this.shared.set(flowClass, keys);
			return keys;
		} catch (error) {
			// checkIntent() reports a predicate that is too large.
			if (error instanceof PredicateTooLargeError) return [];
			throw error;
		}
	}
}

/** The same for what treats packets alike: two policies that do are not in conflict. */
function actionOf({ action }: Rule, { encryption }: PolicyPart): string {
	const { when, integrity } = encryption;
	return `${printAction(action)} ${when} ${integrity}`;
}
