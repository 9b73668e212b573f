/**
 * Rule sets: a set is written whole under a new table number, then switched to
 * with one write, then the old one goes. Packets see the old or the new one.
 */

import type * as layout from "../../kernel/layout.gen.js";
import {
	Limits,
	type Match,
	RuleAction,
	RuleFlags,
	type RuleKey,
	RuleSide,
} from "../../kernel/layout.gen.js";
import type { RuleSetState, RuleState } from "../../plan/state.js";
import { matchMask, matchValue, textOf } from "./encode.js";
import { Ranges } from "./ranges.js";
import type { Table } from "./sync.js";

export interface RuleMaps {
	readonly ruleSets: Table<number, layout.RuleSet>;
	readonly ruleVersions: Table<number, layout.RuleVersion>;
	readonly ruleMasks: Table<number, layout.RuleMask> & {
		readonly capacity: number;
	};
	readonly rules: Table<RuleKey, layout.Rule>;
	readonly groups: Table<number, layout.Group> & { readonly capacity: number };
}

/** A rule set as it lies in the maps. */
interface Placed {
	readonly table: number;
	readonly firstMask: number;
	readonly keys: readonly RuleKey[];
	readonly groups: readonly number[];
}

const NO_SET: layout.RuleVersion = { generation: 0, usesDscp: 0 };

/** Index in the maps rule_sets and rule_versions. */
export function ruleSetIndex(
	tenantId: number,
	side: RuleSetState["side"],
): number {
	return tenantId * 2 + (side === "access" ? RuleSide.ACCESS : RuleSide.EXIT);
}

/** Distinct masks of a rule set with the keys under each, best mask first. */
export function masksOf(rules: readonly RuleState[]): {
	readonly mask: Match;
	readonly maxRank: number;
	readonly entries: readonly {
		readonly value: Match;
		readonly rule: RuleState;
	}[];
}[] {
	const masks = new Map<
		string,
		{
			mask: Match;
			maxRank: number;
			entries: Map<string, { value: Match; rule: RuleState }>;
		}
	>();
	for (const rule of rules)
		for (const key of rule.keys) {
			const mask = matchMask(key);
			const value = matchValue(key);
			const found = masks.get(textOf(mask)) ?? {
				mask,
				maxRank: 0,
				entries: new Map(),
			};
			masks.set(textOf(mask), found);
			found.maxRank = Math.max(found.maxRank, rule.rank);
			/* Of equal keys only the highest rank can ever match. */
			const rival = found.entries.get(textOf(value));
			if (!rival || rival.rule.rank < rule.rank)
				found.entries.set(textOf(value), { value, rule });
		}
	return [...masks.values()]
		.sort((a, b) => b.maxRank - a.maxRank)
		.map((one) => ({ ...one, entries: [...one.entries.values()] }));
}

export class RuleTables {
	readonly #maps: RuleMaps;
	readonly #quiesce: () => void;
	readonly #masks: Ranges;
	readonly #groups: Ranges;
	readonly #placed = new Map<number, Placed>();
	#lastTable = 0;

	/**
	 * Reads what a former run left: its sets stay in force, its leftovers go.
	 * `quiesce` returns once no program can still be reading a replaced set.
	 */
	constructor(maps: RuleMaps, quiesce: () => void) {
		this.#maps = maps;
		this.#quiesce = quiesce;
		this.#masks = new Ranges("rule_masks", maps.ruleMasks.capacity);
		/* Group 0 is what a rule with one path says. */
		this.#groups = new Ranges("groups", maps.groups.capacity, 1);
		this.#adopt();
	}

	/** Numbers of the present rule sets (see ruleSetIndex). */
	present(): number[] {
		return [...this.#placed.keys()];
	}

	put(set: RuleSetState, defaultDrop: boolean): void {
		const index = ruleSetIndex(set.tenantId, set.side);
		const old = this.#placed.get(index);
		const masks = masksOf(set.rules);
		if (masks.length > Limits.MAX_MASKS)
			throw new Error(
				`rules of tenant ${set.tenantId}: ${masks.length} different masks, ${Limits.MAX_MASKS} are possible (use fewer prefix lengths and port ranges in its policies)`,
			);
		const table = ++this.#lastTable;
		const firstMask = this.#masks.allocate(Math.max(1, masks.length));
		const groups: number[] = [];
		const groupOf = this.#groupAllocator(groups);
		const entries = masks.flatMap(({ entries }, i) =>
			entries.map(({ value, rule }): [RuleKey, layout.Rule] => [
				{ table, mask: firstMask + i, value },
				ruleValue(rule, groupOf),
			]),
		);
		this.#maps.ruleMasks.setBatch(
			masks.map(({ mask, maxRank }, i) => [firstMask + i, { mask, maxRank }]),
		);
		this.#maps.rules.setBatch(entries);
		const value: layout.RuleSet = {
			table,
			generation: set.generation,
			firstMask,
			maskCount: masks.length,
			defaultDrop: defaultDrop ? 1 : 0,
		};
		this.#maps.ruleSets.set(index, value);
		this.#announce(index, value);
		this.#placed.set(index, {
			table,
			firstMask,
			keys: entries.map(([key]) => key),
			groups,
		});
		if (old) this.#release(old);
	}

	/** What happens to packets that no rule matches, of a set that is there. */
	setDefault(index: number, drop: boolean): void {
		const set = this.#maps.ruleSets.get(index);
		const defaultDrop = drop ? 1 : 0;
		if (!set || set.defaultDrop === defaultDrop) return;
		this.#maps.ruleSets.set(index, { ...set, defaultDrop });
	}

	remove(index: number): void {
		const old = this.#placed.get(index);
		this.#maps.ruleSets.delete(index);
		this.#maps.ruleVersions.set(index, NO_SET);
		this.#placed.delete(index);
		if (old) this.#release(old);
	}

	/** Rules with the same choice of paths share a group. */
	#groupAllocator(taken: number[]): (slots: readonly number[]) => number {
		const known = new Map<string, number>();
		return (slots) => {
			const text = slots.join();
			const found = known.get(text);
			if (found !== undefined) return found;
			const group = this.#groups.allocate(1);
			taken.push(group);
			known.set(text, group);
			this.#maps.groups.set(group, { spi: slots });
			return group;
		};
	}

	/** Known flows are judged anew from here on, all by this set. */
	#announce(index: number, set: layout.RuleSet): void {
		const masks = Array.from({ length: set.maskCount }, (_, i) =>
			this.#maps.ruleMasks.get(set.firstMask + i),
		);
		this.#maps.ruleVersions.set(index, {
			generation: set.generation,
			usesDscp: masks.some((one) => one?.mask.dscp) ? 1 : 0,
		});
	}

	/** A packet in the middle of its search must still find every old rule. */
	#release(old: Placed): void {
		this.#quiesce();
		this.#maps.rules.deleteBatch(old.keys);
		this.#masks.free(old.firstMask);
		for (const group of old.groups) this.#groups.free(group);
	}

	#adopt(): void {
		const byTable = new Map<
			number,
			{
				index: number;
				set: layout.RuleSet;
				keys: RuleKey[];
				groups: Set<number>;
			}
		>();
		for (const [index, set] of this.#maps.ruleSets.entries())
			byTable.set(set.table, { index, set, keys: [], groups: new Set() });
		const orphans: RuleKey[] = [];
		for (const [key, rule] of this.#maps.rules.entries()) {
			this.#lastTable = Math.max(this.#lastTable, key.table);
			const owner = byTable.get(key.table);
			if (!owner) {
				orphans.push(key);
				continue;
			}
			owner.keys.push(key);
			if (rule.group !== 0) owner.groups.add(rule.group);
		}
		this.#maps.rules.deleteBatch(orphans);
		for (const { index, set, keys, groups } of byTable.values()) {
			this.#lastTable = Math.max(this.#lastTable, set.table);
			this.#masks.take(set.firstMask, Math.max(1, set.maskCount));
			for (const group of groups) this.#groups.take(group, 1);
			this.#announce(index, set);
			this.#placed.set(index, {
				table: set.table,
				firstMask: set.firstMask,
				keys,
				groups: [...groups],
			});
		}
	}
}

function ruleValue(
	rule: RuleState,
	groupOf: (slots: readonly number[]) => number,
): layout.Rule {
	const base = {
		rank: rule.rank,
		policy: rule.policyId,
		spi: 0,
		group: 0,
		flags: rule.keep ? RuleFlags.KEEP : 0,
	};
	const { action } = rule;
	if (action.kind !== "chain")
		return {
			...base,
			action: action.kind === "pass" ? RuleAction.PASS : RuleAction.DROP,
		};
	const [first] = action.slots;
	/* A chain without a path lets nothing pass. */
	if (first === undefined) return { ...base, action: RuleAction.DROP };
	if (action.slots.every((spi) => spi === first))
		return { ...base, action: RuleAction.CHAIN, spi: first };
	if (action.slots.length !== Limits.GROUP_SLOTS)
		throw new Error(
			`rule of ${rule.policy}: ${action.slots.length} slots (a group has ${Limits.GROUP_SLOTS})`,
		);
	return { ...base, action: RuleAction.CHAIN, group: groupOf(action.slots) };
}
