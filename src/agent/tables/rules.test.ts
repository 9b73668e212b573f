import assert from "node:assert/strict";
import { test } from "node:test";
import type {
	Group,
	Rule,
	RuleKey,
	RuleMask,
	RuleSet,
	RuleVersion,
} from "../../kernel/layout.gen.js";
import { ANY_PACKET, type MaskedKey } from "../../model/packet.js";
import type { RuleState } from "../../plan/state.js";
import { MemoryTable } from "./memory.fixture.js";
import { masksOf, RuleTables, ruleSetIndex } from "./rules.js";

const port = (dport: number): MaskedKey => ({
	...ANY_PACKET,
	proto: 6,
	protoMask: 255,
	dport,
	dportMask: 65535,
});

const rule = (
	rank: number,
	keys: MaskedKey[],
	action: RuleState["action"],
): RuleState => ({
	policy: `p${rank}`,
	policyId: rank,
	rank,
	keep: false,
	keys,
	action,
});
const PASS = { kind: "pass" } as const;
const chain = (...spis: number[]) =>
	({
		kind: "chain",
		slots: Array.from({ length: 251 }, (_, i) => spis[i % spis.length] ?? 0),
	}) as const;

function maps() {
	const log: string[] = [];
	return {
		log,
		ruleSets: new MemoryTable<number, RuleSet>("sets", log),
		ruleVersions: new MemoryTable<number, RuleVersion>("versions", log),
		ruleMasks: new MemoryTable<number, RuleMask>("masks", log),
		rules: new MemoryTable<RuleKey, Rule>("rules", log),
		groups: new MemoryTable<number, Group>("groups", log),
	};
}

const open = (m: ReturnType<typeof maps>) =>
	new RuleTables(m, () => m.log.push("quiesce"));

const set = (generation: number, ...rules: RuleState[]) =>
	({ tenantId: 3, side: "access", generation, rules }) as const;
const INDEX = ruleSetIndex(3, "access");

test("masks come best rank first, equal keys keep the highest rank alone", () => {
	const masks = masksOf([
		rule(1, [ANY_PACKET, port(80)], PASS),
		rule(9, [port(80), port(443)], PASS),
		rule(5, [ANY_PACKET], PASS),
	]);
	assert.deepEqual(
		masks.map(({ maxRank, entries }) => [
			maxRank,
			entries.map((one) => one.rule.rank),
		]),
		[
			[9, [9, 9]],
			[5, [5]],
		],
	);
});

test("a new set is complete before the switch, the old one goes after it", () => {
	const m = maps();
	const tables = open(m);
	tables.put(set(1, rule(1, [port(80)], chain(7, 8))), false);
	const first = m.ruleSets.get(INDEX);
	m.log.length = 0;
	tables.put(set(2, rule(1, [port(80)], chain(7, 9))), true);
	const kinds = m.log.filter((line, i) => line !== m.log[i - 1]);
	assert.deepEqual(kinds, [
		"set groups",
		"set masks",
		"set rules",
		"set sets",
		"set versions",
		"quiesce",
		"delete rules",
	]);
	const second = m.ruleSets.get(INDEX);
	assert.notEqual(second?.table, first?.table);
	assert.notEqual(second?.firstMask, first?.firstMask);
	assert.equal(second?.defaultDrop, 1);
	assert.equal(m.rules.size, 1);
});

test("one path needs no group, a chain without paths drops", () => {
	const m = maps();
	const tables = open(m);
	tables.put(
		set(
			1,
			rule(1, [port(1)], chain(7)),
			rule(2, [port(2)], { kind: "chain", slots: [] }),
		),
		false,
	);
	const values = m.rules.entries().map(([, value]) => value);
	assert.deepEqual(
		values.map(({ spi, group, action }) => [spi, group, action]).sort(),
		[
			[0, 0, 1],
			[7, 0, 2],
		],
	);
});

test("a restart keeps what is in force, sweeps leftovers and gives out nothing twice", () => {
	const m = maps();
	open(m).put(set(1, rule(1, [port(80)], chain(7, 8))), false);
	const placed = m.ruleSets.get(INDEX);
	const [kept] = m.rules.entries();
	assert.ok(placed && kept);
	m.rules.set({ ...kept[0], table: 77 }, kept[1]);
	const next = open(m);
	assert.equal(m.rules.size, 1, "the leftover is gone");
	assert.deepEqual(next.present(), [INDEX]);
	next.put({ ...set(1, rule(1, [port(80)], chain(7, 9))), tenantId: 4 }, false);
	const other = m.ruleSets.get(ruleSetIndex(4, "access"));
	assert.ok((other?.table ?? 0) > 77);
	assert.notEqual(other?.firstMask, placed.firstMask);
	assert.equal(
		new Set(m.rules.entries().map(([, value]) => value.group)).size,
		2,
	);
	next.remove(INDEX);
	assert.equal(m.ruleSets.get(INDEX), undefined);
	assert.equal(m.ruleVersions.get(INDEX)?.generation, 0);
	assert.equal(m.rules.size, 1);
});

test("too many masks are refused before anything is written", () => {
	const m = maps();
	const keys = Array.from({ length: 129 }, (_, i) => ({
		...ANY_PACKET,
		sport: 0,
		sportMask: i + 1,
	}));
	assert.throws(
		() => open(m).put(set(1, rule(1, keys, PASS)), false),
		/129 different masks/,
	);
	assert.deepEqual(m.log, []);
});
