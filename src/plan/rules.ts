/**
 * Policies compiled for the tenants they apply to, remembered by the rule's
 * text: a replan compiles only what changed.
 */
import { createHash } from "node:crypto";
import { DEFAULT_PRIORITY } from "../model/change.js";
import { compilePredicate } from "../model/compile.js";
import { narrowed, type PolicyPart, partsOf } from "../model/flow-class.js";
import type { Intent, PolicyDocument } from "../model/intent.js";
import { type Action, parseRule, type Rule } from "../model/language/index.js";
import { maskOf } from "../model/measure.js";
import type { MaskedKey } from "../model/packet.js";
import type { Places } from "./places.js";
import { covers, keyRange, overlaps, type Range } from "./prefix.js";

/** Keys of a rule on one side, and a digest that stands for them. */
export interface Keys {
	readonly keys: readonly MaskedKey[];
	readonly digest: string;
	/** Distinct masks among them, as text. */
	readonly masks: readonly string[];
}

/** A part of a policy as it applies to a tenant. */
export interface TenantRule {
	readonly policy: PolicyDocument;
	readonly part: PolicyPart;
	/**
	 * Flows keep to their path for as long as the policy has its number
	 * (`onChange: keep`): not where another encryption would hold for them.
	 */
	readonly numberedAs: string;
	readonly action: Action;
	/** Of packets that the tenant's users send. */
	readonly access: Keys;
	/** Of packets from outside that are addressed to the tenant. */
	readonly exit: Keys;
	/** Sources outside the tenant's subnets can match, too. */
	readonly fromOutside: boolean;
}

type Compiled = Omit<TenantRule, "policy" | "part" | "numberedAs">;

/** Compiles rules once for as long as they are used. */
export class RuleCompiler {
	#fresh = new Map<string, Compiled | undefined>();
	#stale = new Map<string, Compiled | undefined>();

	/** Begins a plan: what the one before last used is forgotten. */
	begin(): void {
		this.#stale = this.#fresh;
		this.#fresh = new Map();
	}

	/**
	 * The policy's exceptions and its own rule, without those that can match no
	 * packet of the tenant. Throws where one does not parse or has too many keys.
	 */
	compile(
		policy: PolicyDocument,
		places: Places,
		classes: Pick<Intent, "flowClasses">,
	): readonly TenantRule[] {
		const rules: TenantRule[] = [];
		for (const part of partsOf(policy, classes)) {
			const compiled = this.#compile(policy.spec.rule, part, places);
			const { name } = policy;
			const numberedAs =
				part.terms === "" ? name : `${name} ${digest(part.terms)}`;
			if (compiled) rules.push({ policy, part, numberedAs, ...compiled });
		}
		return rules;
	}

	#compile(
		rule: string,
		part: PolicyPart,
		places: Places,
	): Compiled | undefined {
		const { name, spec } = places.tenant;
		const match = part.only ? `\n${part.only.spec.match}` : "";
		const key = `${name}\n${spec.subnets.join()}\n${rule}${match}`;
		if (!this.#fresh.has(key)) {
			this.#fresh.set(
				key,
				this.#stale.has(key)
					? this.#stale.get(key)
					: compile(rule, part, places),
			);
		}
		return this.#fresh.get(key);
	}
}

function compile(
	text: string,
	part: PolicyPart,
	{ tenant, ranges }: Places,
): Compiled | undefined {
	const { predicate, action } = parse(text);
	const all = compilePredicate(narrowed(predicate, part), tenant.name);
	const touching = (side: "src" | "dst") =>
		all.filter((key) => overlaps([keyRange(key, side)], ranges));
	const access = touching("src");
	const exit = touching("dst");
	return access.length + exit.length === 0
		? undefined
		: {
				action,
				access: withDigest(access),
				exit: withDigest(exit),
				fromOutside: exit.some((key) => isOutside(key, ranges)),
			};
}

function isOutside(key: MaskedKey, ranges: readonly Range[]): boolean {
	return !covers(ranges, keyRange(key, "src"));
}

function withDigest(keys: readonly MaskedKey[]): Keys {
	return {
		keys,
		digest: digest(JSON.stringify(keys)),
		masks: [...new Set(keys.map(maskOf))],
	};
}

export function digest(text: string): string {
	return createHash("sha256").update(text).digest("base64").slice(0, 22);
}

function parse(text: string): Rule {
	const parsed = parseRule(text);
	if (!parsed.ok) {
		const causes = parsed.problems.map((problem) => problem.message);
		throw new Error(`rule: ${causes.join("; ")}`);
	}
	return parsed.rule;
}

/** Policies of each tenant, those that are looked at first in front. */
export function policiesByTenant(
	intent: Intent,
): ReadonlyMap<string, readonly PolicyDocument[]> {
	const ordered = [...intent.policies.values()].sort(
		(a, b) => priority(b) - priority(a) || (a.name < b.name ? -1 : 1),
	);
	const lists = new Map(
		[...intent.tenants.keys()].map((name) => [name, [] as PolicyDocument[]]),
	);
	for (const policy of ordered) {
		const { tenant } = policy.spec;
		const into =
			tenant === undefined ? [...lists.values()] : [lists.get(tenant)];
		for (const list of into) {
			list?.push(policy);
		}
	}
	return lists;
}

function priority(policy: PolicyDocument): number {
	return policy.spec.priority ?? DEFAULT_PRIORITY;
}
