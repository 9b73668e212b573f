/**
 * What operators declared, as the invariants compare it with states: one intent,
 * or the two of a change, of which either may hold for a path.
 */
import { compilePredicate } from "../model/compile.js";
import type { Encryption } from "../model/encryption.js";
import { narrowed, type PolicyPart, partsOf } from "../model/flow-class.js";
import type { Intent } from "../model/intent.js";
import { parseRule, type Rule } from "../model/language/index.js";
import { sealOf } from "./sealing.js";
import type { MaskedKey, Seal } from "./state.js";

export interface Declared {
	/** Chains that a policy's paths may have; undefined: nothing is known of it. */
	chains(policy: string): readonly (readonly string[])[] | undefined;
	/**
	 * What each intent asks of a flow class; empty where none has it, undefined:
	 * nothing is known of the policy.
	 */
	encryption(
		policy: string,
		flowClass: string,
	): readonly Encryption[] | undefined;
	/** Weakest seal that some intent is content with on a hop between nodes. */
	seal(
		policy: string,
		flowClass: string,
		from: string,
		to: string,
	): Seal | undefined;
	/** Whether all these keys are of packets that the flow class of an exception has. */
	excepts(
		policy: string,
		flowClass: string,
		tenant: string,
		keys: readonly MaskedKey[],
	): boolean;
}

/** Of what is not known nothing is asked. */
export const ANYTHING: Declared = {
	chains: () => undefined,
	encryption: () => undefined,
	seal: () => undefined,
	excepts: () => true,
};

export function declaredBy(...intents: readonly Intent[]): Declared {
	const chains = new Map<string, ReturnType<Declared["chains"]>>();
	const parts = new Map<string, readonly OfIntent[]>();
	const ofClass = (policy: string, flowClass: string) => {
		const known = parts.get(policy) ?? partsIn(intents, policy);
		parts.set(policy, known);
		return known.filter(({ part }) => part.flowClass === flowClass);
	};
	return {
		chains(policy) {
			if (!chains.has(policy)) {
				const all = intents.flatMap((intent) => {
					const declared = intent.policies.get(policy);
					const action = declared && ruleOf(declared.spec.rule)?.action;
					return action?.kind === "chain" ? [action.functions] : [];
				});
				chains.set(policy, all.length > 0 ? all : undefined);
			}
			return chains.get(policy);
		},
		encryption(policy, flowClass) {
			return intents.some((intent) => intent.policies.has(policy))
				? ofClass(policy, flowClass).map(({ part }) => part.encryption)
				: undefined;
		},
		seal(policy, flowClass, from, to) {
			const all = ofClass(policy, flowClass).map(({ part, intent }) =>
				sealOf(part.encryption, intent.nodes.get(from), intent.nodes.get(to)),
			);
			const least = Math.min(...all.map(strength));
			return all.find((seal) => strength(seal) === least);
		},
		excepts(policy, flowClass, tenant, keys) {
			return ofClass(policy, flowClass).some(({ intent, part }) => {
				const text = intent.policies.get(policy)?.spec.rule;
				const known = text && keysOf(text, part, tenant);
				return known && keys.every((key) => known.has(JSON.stringify(key)));
			});
		},
	};
}

/** Of two seals the stronger one has the larger number. */
export function strength(seal: Seal | undefined): number {
	return seal === undefined ? 0 : seal === "mac" ? 1 : 2;
}

interface OfIntent {
	readonly intent: Intent;
	readonly part: PolicyPart;
}

function partsIn(intents: readonly Intent[], policy: string): OfIntent[] {
	return intents.flatMap((intent) => {
		const declared = intent.policies.get(policy);
		return declared
			? partsOf(declared, intent).map((part) => ({ intent, part }))
			: [];
	});
}

/** What was read, by its text: most is the same from change to change. */
const rules = new Map<string, Rule | undefined>();
const exceptions = new Map<string, ReadonlySet<string>>();
const MOST_READ = 100_000;
const MOST_EXCEPTIONS = 1000;

function ruleOf(text: string): Rule | undefined {
	if (!rules.has(text)) {
		if (rules.size >= MOST_READ) rules.clear();
		const parsed = parseRule(text);
		rules.set(text, parsed.ok ? parsed.rule : undefined);
	}
	return rules.get(text);
}

/** Keys of an exception, as text. */
function keysOf(
	text: string,
	part: PolicyPart,
	tenant: string,
): ReadonlySet<string> {
	const id = `${tenant}\n${part.only?.spec.match}\n${text}`;
	const known = exceptions.get(id);
	if (known) return known;
	if (exceptions.size >= MOST_EXCEPTIONS) exceptions.clear();
	const rule = ruleOf(text);
	const keys = rule
		? compilePredicate(narrowed(rule.predicate, part), tenant)
		: [];
	const made = new Set(keys.map((key) => JSON.stringify(key)));
	exceptions.set(id, made);
	return made;
}
