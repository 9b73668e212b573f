/**
 * Tenants whose subnets overlap and who leave by one exit interface: replies to
 * an address they share could belong to either, unless a function gives their
 * packets addresses of its own first.
 */
import type { Intent } from "../model/intent.js";
import { rewrites } from "./chains.js";
import { overlapping, type Places } from "./places.js";
import type { PlanProblem } from "./problem.js";
import type { TenantRule } from "./rules.js";

export interface SharedExits {
	readonly problems: readonly PlanProblem[];
	/** The chain would let a tenant's own addresses out where another's are alike. */
	isRefused(tenant: string, functions: readonly string[]): boolean;
	/** Tenants that connections from outside cannot reach: the address is not theirs alone. */
	readonly unreachable: ReadonlySet<string>;
}

export function exitsShared(
	intent: Intent,
	places: ReadonlyMap<string, Places>,
	rules: ReadonlyMap<string, readonly TenantRule[]>,
): SharedExits {
	const problems: PlanProblem[] = [];
	const refused = new Set<string>();
	const unreachable = new Set<string>();
	/* A tenant leaves with its own addresses when one of its chains does not rewrite. */
	const leavesDirectly = (tenant: string) =>
		(rules.get(tenant) ?? []).some(
			({ action }) =>
				action.kind === "chain" && !chainRewrites(intent, action.functions),
		);
	for (const [a, b] of overlapping(places.values())) {
		const both = [a.tenant.name, b.tenant.name];
		if (!a.exit || a.exit !== b.exit || !a.sharedExit || !b.sharedExit) {
			continue;
		}
		const direct = both.filter(leavesDirectly);
		for (const tenant of both) {
			if (direct.length === 2) {
				refused.add(tenant);
			}
			if (direct.length === 2 || !direct.includes(tenant)) {
				unreachable.add(tenant);
			}
		}
		if (direct.length === 2) {
			problems.push({
				severity: "error",
				message: `tenants ${both.join(" and ")}: their subnets overlap and both leave by the shared exit of node ${a.exit} with their own addresses (add a function with rewrites: true to their chains, or give each an exit interface with tenant:)`,
			});
		}
	}
	return {
		problems,
		unreachable,
		isRefused: (tenant, functions) =>
			refused.has(tenant) && !chainRewrites(intent, functions),
	};
}

function chainRewrites(intent: Intent, names: readonly string[]): boolean {
	return names.some((name) => {
		const found = intent.functions.get(name);
		return found !== undefined && rewrites(found);
	});
}
