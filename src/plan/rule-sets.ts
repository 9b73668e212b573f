/**
 * Rule sets of the nodes where a tenant's packets enter: what every rule does
 * there, and the generation, which grows only when something in the set did.
 */
import { isSealing } from "../model/encryption.js";
import type { PolicyPart } from "../model/flow-class.js";
import type { Intent } from "../model/intent.js";
import type { RuleSetMemory } from "./allocate.js";
import { splitBy } from "./backup.js";
import type { Chains, NamedCombination, Served } from "./chains.js";
import type { Leg } from "./lanes.js";
import type { PathTable } from "./paths.js";
import type { Places } from "./places.js";
import type { Problems } from "./problem.js";
import { digest, type Keys, type TenantRule } from "./rules.js";
import type { SharedExits } from "./shared-exit.js";
import type { RuleSetState, RuleState } from "./state.js";
import type { Usage } from "./usage.js";

/** MAX_MASKS in bpf/maps.h: distinct masks one rule set may use. */
export const MAX_MASKS = 128;

export interface TenantRules {
	readonly places: Places;
	readonly tenantId: number;
	readonly rules: readonly TenantRule[];
}

/** What decides where a rule's packets go. */
export interface Deciders {
	readonly intent: Intent;
	readonly chains: Chains;
	readonly paths: PathTable;
	readonly usage: Usage;
	readonly shared: SharedExits;
	readonly problems: Problems;
}

/** A place where packets of the tenant enter, and where those of its chains go. */
interface Entry {
	readonly side: "access" | "exit";
	readonly ingress: string;
	/** Absent: nowhere, chains drop; `why` says it where it is worth a word. */
	readonly leg?: Leg | undefined;
	readonly why?: string;
}

export class RuleSets {
	readonly #byNode = new Map<string, RuleSetState[]>();
	readonly #memory: Record<string, RuleSetMemory> = {};
	/** Ids of tenants whose rules look at the DSCP. */
	readonly #byDscp = new Set<number>();

	constructor(
		private readonly before: Readonly<Record<string, RuleSetMemory>>,
		private readonly revision: number,
	) {}

	addTenant(
		tenant: TenantRules,
		deciders: Deciders,
		policyId: (policy: string) => number,
	): void {
		if (tenant.rules.some(looksAtDscp)) this.#byDscp.add(tenant.tenantId);
		const terms = exposureTerms(tenant.rules);
		for (const entry of entriesOf(tenant, deciders.shared)) {
			this.#add(tenant, entry, terms, deciders, policyId);
		}
	}

	usesDscp(tenantId: number): boolean {
		return this.#byDscp.has(tenantId);
	}

	/** In order of tenant and side. */
	on(node: string): RuleSetState[] {
		return (this.#byNode.get(node) ?? []).sort(
			(a, b) => a.tenantId - b.tenantId || (a.side < b.side ? -1 : 1),
		);
	}

	finish(): Record<string, RuleSetMemory> {
		return this.#memory;
	}

	#add(
		{ places, tenantId, rules }: TenantRules,
		entry: Entry,
		terms: string,
		deciders: Deciders,
		policyId: (policy: string) => number,
	): void {
		const { side, ingress } = entry;
		const here = rules.filter((rule) => rule[side].keys.length > 0);
		checkMasks(
			places.tenant.name,
			here.map((rule) => rule[side]),
			deciders,
		);
		const content: string[] = [places.tenant.spec.default ?? "forward"];
		const states = here.map((rule, index): RuleState => {
			const state = {
				policy: rule.policy.name,
				policyId: policyId(rule.numberedAs),
				rank: here.length - index,
				keys: rule[side].keys,
				...decide(rule, terms, places, entry, deciders),
			};
			content.push(
				`${state.policyId} ${state.keep} ${rule[side].digest} ${JSON.stringify(state.action)}`,
			);
			return state;
		});
		const name = `${ingress} ${places.tenant.name} ${side}`;
		const now = digest(content.join("\n"));
		const known = this.before[name];
		const generation = known?.digest === now ? known.generation : this.revision;
		this.#memory[name] = { digest: now, generation };
		const list = this.#byNode.get(ingress) ?? [];
		this.#byNode.set(ingress, list);
		list.push({ tenantId, side, generation, rules: states });
	}
}

/**
 * Stands for which of a tenant's packets may be in the clear. When that changes,
 * answers to what went in the clear before must not go on there: they keep to a
 * path for as long as it has its number. Empty where nothing is sealed at all.
 */
function exposureTerms(rules: readonly TenantRule[]): string {
	if (!rules.some(({ part }) => isSealing(part.encryption))) return "";
	return digest(
		rules
			.map((rule) =>
				[rule.numberedAs, rule.access.digest, rule.exit.digest].join(" "),
			)
			.join("\n"),
	);
}

function looksAtDscp({ access, exit }: TenantRule): boolean {
	return [access, exit].some(({ keys }) =>
		keys.some((key) => key.dscpMask !== 0),
	);
}

function entriesOf(
	{ places, tenantId }: TenantRules,
	shared: SharedExits,
): Entry[] {
	const { access, exit } = places;
	const tenant = places.tenant.name;
	const entry = (
		side: "access" | "exit",
		ingress: string,
		egress: string | undefined,
	): Entry => ({
		side,
		ingress,
		leg:
			egress === undefined
				? undefined
				: { tenant, tenantId, side, ingress, egress },
	});
	const entries = access.map((ingress) => entry("access", ingress, exit));
	if (exit === undefined || shared.unreachable.has(tenant)) {
		return entries;
	}
	if (access.length === 1) {
		return [...entries, entry("exit", exit, access[0])];
	}
	const why = `connections from outside to tenant ${tenant} drop, because its users may be at any of nodes ${access.join(", ")} (replies pass; for connections from outside give the tenant one access node)`;
	return [...entries, { ...entry("exit", exit, undefined), why }];
}

type Decision = Pick<RuleState, "action" | "keep">;

function decide(
	{ policy, part, action, fromOutside }: TenantRule,
	terms: string,
	{ tenant }: Places,
	{ leg, why }: Entry,
	{ intent, chains, paths, usage, shared, problems }: Deciders,
): Decision {
	const keep = policy.spec.onChange === "keep";
	const drop: Decision = { keep, action: { kind: "drop" } };
	if (action.kind !== "chain") {
		return { keep, action };
	}
	if (leg === undefined) {
		if (why !== undefined && fromOutside) {
			problems.policy(policy.name, "warning", why);
		}
		return drop;
	}
	const served = chains.serve(action.functions);
	if ("cause" in served) {
		problems.policy(policy.name, served.severity, served.cause);
		return drop;
	}
	if (
		shared.isRefused(tenant.name, action.functions) ||
		served.functions.some((one) => usage.isRefused(tenant.name, one))
	) {
		return drop;
	}
	for (const warning of served.warnings) {
		problems.policy(policy.name, "warning", warning);
	}
	const { encryption } = part;
	const split = isSealing(encryption) && splitBy(intent, served.functions, leg);
	if (split) {
		problems.policy(policy.name, "error", split);
		return drop;
	}
	try {
		const backupOf = encryption.protect
			? backupsOf(part, { chains, problems }, served, leg)
			: undefined;
		const slots = paths.lay({ ...part, terms }, leg, served, backupOf);
		return { keep: keep || served.keeps, action: { kind: "chain", slots } };
	} catch (error) {
		const cause = error instanceof Error ? error.message : String(error);
		problems.policy(policy.name, "error", cause);
		return drop;
	}
}

/** Who stands in for a combination; where nobody does, a warning says so. */
function backupsOf(
	{ policy }: PolicyPart,
	{ chains, problems }: Pick<Deciders, "chains" | "problems">,
	served: Served,
	leg: Leg,
): (of: NamedCombination) => NamedCombination | undefined {
	return (of) => {
		const { combination, warnings } = chains.backup(served, of, leg);
		for (const one of warnings) problems.policy(policy, "warning", one);
		return combination;
	};
}

/** The kernel's table has room for so many masks; the rest would never match. */
function checkMasks(
	tenant: string,
	rules: readonly Keys[],
	{ problems }: Deciders,
): void {
	const masks = new Set(rules.flatMap(({ masks }) => masks));
	if (masks.size > MAX_MASKS) {
		problems.add({
			severity: "error",
			tenant,
			message: `tenant ${tenant}: its rules use ${masks.size} different combinations of prefix lengths and ranges (at most ${MAX_MASKS}; use fewer kinds of predicates)`,
		});
	}
}
