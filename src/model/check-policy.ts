/** Checks of policies: the names in their rules, and whether they can match. */
import { hostMask, parsePrefix } from "./address.js";
import { Effort, EffortSpentError } from "./compile.js";
import type { Intent, PolicyDocument } from "./intent.js";
import { parseRule, type Rule, type RulePlaces } from "./language/index.js";
import { measure } from "./measure.js";
import { nameHint, type Report, unknownName } from "./report.js";

/** Most functions of a chain; MAX_HOPS of bpf/maps.h. */
export const MAX_CHAIN = 32;

const PATH = ["spec", "rule"];

export class PolicyChecker {
	private pairs: readonly (readonly [string, string])[] | undefined;

	/** Told once: it holds for all rules that are left. */
	private toldOfEffort = false;

	constructor(private readonly intent: Intent) {}

	/** Throws nothing: what is beyond the effort is a problem, too. */
	check(policy: PolicyDocument, report: Report, effort = new Effort()): void {
		const { intent } = this;
		const text = policy.spec.rule;
		const { tenant } = policy.spec;
		if (tenant !== undefined)
			report.reference(["spec", "tenant"], "tenant", tenant, intent.tenants);
		const parsed = parseRule(text);
		if (!parsed.ok) {
			for (const { span, message, hint } of parsed.problems)
				report.within(PATH, text, span, message, hint);
			return;
		}
		const { rule, places } = parsed;
		for (const { name, span } of places.tenants)
			if (!intent.tenants.has(name))
				report.within(
					PATH,
					text,
					span,
					unknownName("tenant", name),
					nameHint("tenant", name, intent.tenants),
				);
		const tenants = this.matchingTenants(policy, rule, places, report, effort);
		this.checkChain(text, rule, places, tenants, report);
	}

	/** Tenants with packets that can match; reports a rule that never does. */
	private matchingTenants(
		policy: PolicyDocument,
		{ predicate }: Rule,
		places: RulePlaces,
		report: Report,
		effort: Effort,
	): readonly string[] {
		const tenants = tenantsOf(policy, this.intent);
		const within = (message: string, hint: string, severity?: "warning") =>
			report.within(
				PATH,
				policy.spec.rule,
				places.predicate,
				message,
				hint,
				severity,
			);
		let tooLarge: string | undefined;
		const canMatch = (tenant: string) => {
			const made = measure(policy, predicate, tenant, effort);
			tooLarge ??= made.tooLarge;
			return made.matches;
		};
		try {
			// Without a test of the tenant, one answer holds for all.
			const all = places.tenants.length === 0;
			const matching = all
				? tenants.slice(0, 1).some(canMatch)
					? tenants
					: []
				: tenants.filter(canMatch);
			if (tooLarge !== undefined) {
				within(
					tooLarge,
					"split it into several policies, or use fewer negated prefixes and ranges",
				);
				return tenants;
			}
			const known = places.tenants.every((t) =>
				this.intent.tenants.has(t.name),
			);
			if (known && tenants.length > 0 && matching.length === 0)
				within(
					"no packet can match this predicate",
					"tests joined by `&` must all hold; did you mean `|`? (ports need tcp, udp or sctp)",
					"warning",
				);
			return matching;
		} catch (error) {
			if (!(error instanceof EffortSpentError)) throw error;
			if (!this.toldOfEffort)
				within(
					"from here on, the rules take too long to compile at once",
					"apply fewer policies at a time, or use fewer negations and alternatives",
				);
			this.toldOfEffort = true;
			return tenants;
		}
	}

	private checkChain(
		text: string,
		{ action }: Rule,
		{ functions: spans }: RulePlaces,
		tenants: readonly string[],
		report: Report,
	): void {
		if (action.kind !== "chain") return;
		const { functions } = this.intent;
		const seen = new Set<string>();
		for (const [index, name] of action.functions.entries()) {
			const span = spans[index] ?? { offset: 0, length: 1 };
			const bad = (message: string, hint?: string) =>
				report.within(PATH, text, span, message, hint);
			if (index === MAX_CHAIN)
				bad(`a chain has at most ${MAX_CHAIN} functions`, "shorten the chain");
			if (seen.has(name))
				bad(
					`function \`${name}\` is already in this chain`,
					"remove it here; a packet meets each function once",
				);
			else if (!functions.has(name))
				bad(
					unknownName("function", name),
					nameHint("function", name, functions),
				);
			seen.add(name);
			const allowed = functions.get(name)?.spec.tenants;
			const excluded = allowed && tenants.find((t) => !allowed.includes(t));
			if (allowed && excluded !== undefined)
				bad(
					`tenant \`${excluded}\` may not use function \`${name}\``,
					`add it to the function's \`tenants\`, or limit the policy: \`tenant: ${allowed[0]}\``,
				);
			const pair = allowed ? undefined : this.overlapping(tenants);
			if (pair)
				bad(
					`tenants \`${pair[0]}\` and \`${pair[1]}\` have overlapping subnets and cannot share function \`${name}\``,
					"declare a function for each with `tenants: [NAME]`, or limit the policy with `tenant: NAME`",
				);
		}
	}

	/**
	 * An instance cannot tell two tenants with the same addresses apart, so a
	 * function that names no tenants serves only those that do not overlap.
	 */
	private overlapping(
		tenants: readonly string[],
	): readonly [string, string] | undefined {
		if (tenants.length < 2) return undefined;
		this.pairs ??= overlappingTenants(this.intent);
		const set = new Set(tenants);
		return this.pairs.find(([a, b]) => set.has(a) && set.has(b));
	}
}

/** Tenants whose packets a policy judges. */
export function tenantsOf(policy: PolicyDocument, intent: Intent): string[] {
	const { tenant } = policy.spec;
	if (tenant !== undefined) return intent.tenants.has(tenant) ? [tenant] : [];
	return [...intent.tenants.keys()];
}

/** Pairs of tenants that have addresses in common. */
export function overlappingTenants(intent: Intent): [string, string][] {
	const ranges = [...intent.tenants.values()].flatMap(({ name, spec }) =>
		spec.subnets.flatMap((text) => {
			const prefix = parsePrefix(text);
			if (!prefix) return [];
			const { family, address, length } = prefix;
			const host = hostMask(family, length);
			return [{ name, family, from: address & ~host, to: address | host }];
		}),
	);
	ranges.sort((a, b) => a.family - b.family || (a.from < b.from ? -1 : 1));
	const pairs = new Map<string, [string, string]>();
	for (const [index, a] of ranges.entries())
		for (let next = index + 1; next < ranges.length; next++) {
			const b = ranges[next];
			if (!b || b.family !== a.family || b.from > a.to) break;
			if (a.name === b.name) continue;
			const pair: [string, string] =
				a.name < b.name ? [a.name, b.name] : [b.name, a.name];
			pairs.set(pair.join(), pair);
		}
	return [...pairs.values()];
}
