/**
 * The planner's memory after a plan that nodes may have seen was given up:
 * names keep the numbers they had, and what the plan gave out rests like any
 * number that was in use, since packets and flows may still carry it.
 */
import type { Memory, Pool, RuleSetMemory } from "../plan/allocate.js";

export function retire(kept: Memory, failed: Memory): Memory {
	const pool = (before: Pool | undefined, after: Pool) =>
		retirePool(before, after, failed.revision);
	return {
		revision: failed.revision,
		tenants: pool(kept.tenants, failed.tenants),
		nodes: pool(kept.nodes, failed.nodes),
		policies: pool(kept.policies, failed.policies),
		pairs: pool(kept.pairs, failed.pairs),
		ports: {
			...kept.ports,
			...mapValues(failed.ports, (after, node) =>
				pool(kept.ports[node], after),
			),
		},
		ruleSets: {
			...kept.ruleSets,
			...mapValues(failed.ruleSets, (after, key) =>
				retireRules(kept.ruleSets[key], after),
			),
		},
		attached: kept.attached,
	};
}

function retirePool(
	kept: Pool | undefined,
	failed: Pool,
	revision: number,
): Pool {
	const used = kept?.used ?? {};
	const mine = new Set(numbersOf(used));
	const burnt = new Set(numbersOf(failed.used).filter((id) => !mine.has(id)));
	return {
		used,
		next: Math.max(kept?.next ?? 1, failed.next),
		freed: [
			...(kept?.freed ?? []).filter(([id]) => !burnt.has(id)),
			...[...burnt].map((id) => [id, revision] as const),
		],
	};
}

/** Generations only grow: flows that the failed rules judged must be judged again. */
function retireRules(
	kept: RuleSetMemory | undefined,
	failed: RuleSetMemory,
): RuleSetMemory {
	if (kept?.digest === failed.digest) return failed;
	return { digest: kept?.digest ?? "", generation: failed.generation + 1 };
}

function numbersOf(used: Pool["used"]): number[] {
	return Object.values(used).flatMap((names) => Object.values(names));
}

function mapValues<T>(
	record: Readonly<Record<string, T>>,
	change: (value: T, key: string) => T,
): Record<string, T> {
	return Object.fromEntries(
		Object.entries(record).map(([key, value]) => [key, change(value, key)]),
	);
}
