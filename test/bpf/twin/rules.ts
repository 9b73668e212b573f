/** Random rule sets: predicates of every field, compiled as policies are. */
import { matchMask, textOf } from "../../../src/agent/tables/encode.js";
import {
	compilePredicate,
	PredicateTooLargeError,
} from "../../../src/model/compile.js";
import { parseRule } from "../../../src/model/language/index.js";
import type { MaskedKey } from "../../../src/model/packet.js";
import { maglev } from "../../../src/plan/maglev.js";
import type { Random } from "../../../src/plan/random.js";
import type {
	RuleAction,
	RuleSetState,
	RuleState,
} from "../../../src/plan/state.js";
import { OUTSIDE, type Party, randomPrefix } from "./tenants.js";

/** More masks than this make a rule set the kernel's table refuses. */
const MAX_MASKS = 128;

type Side = RuleSetState["side"];

/** `spis`: forward paths that a packet of this set may take. */
export function randomRuleSet(
	random: Random,
	party: Party,
	side: Side,
	generation: number,
	spis: readonly number[],
): RuleSetState {
	const count = random.chance(5) ? 60 : 1 + random.below(12);
	const rules: RuleState[] = [];
	let masks = new Set<string>();
	for (let rank = count; rank > 0; rank--) {
		const text = predicate(random, party, side);
		const rule = {
			policy: `${party.name}-${rank}: ${text}`,
			policyId: rank,
			rank,
			keep: random.chance(30),
			keys: compiled(text, party.name),
			action: randomAction(random, spis),
		};
		const more = new Set([...masks, ...rule.keys.map(maskOf)]);
		if (more.size > MAX_MASKS) continue;
		masks = more;
		rules.push(rule);
	}
	return { tenantId: party.id, side, generation, rules };
}

const maskOf = (key: MaskedKey) => textOf(matchMask(key));

/**
 * The same policies after a change: some lead elsewhere, as do all that led to
 * paths of `gone`, and some are gone.
 */
export function changedRuleSet(
	random: Random,
	set: RuleSetState,
	spis: readonly number[],
	gone: readonly number[],
): RuleSetState {
	const rules = set.rules
		.filter(() => random.chance(90))
		.map((rule) =>
			random.chance(50) || names(rule, gone)
				? { ...rule, action: randomAction(random, spis) }
				: rule,
		);
	return { ...set, generation: set.generation + 1, rules };
}

/** A rule of the set leads to one of the paths. */
export function isNamed(set: RuleSetState, spis: readonly number[]): boolean {
	return set.rules.some((rule) => names(rule, spis));
}

const names = ({ action }: RuleState, spis: readonly number[]) =>
	action.kind === "chain" && action.slots.some((spi) => spis.includes(spi));

function randomAction(random: Random, spis: readonly number[]): RuleAction {
	if (random.chance(10)) return { kind: "pass" };
	if (random.chance(10) || spis.length === 0) return { kind: "drop" };
	if (random.chance(3)) return { kind: "chain", slots: [] };
	if (random.chance(40)) return { kind: "chain", slots: [random.pick(spis)] };
	const members = random
		.some(spis)
		.map((spi) => ({ name: `${spi}`, weight: 1 + random.below(9), spi }));
	const slots = maglev(members).map((member) => members[member]?.spi ?? 0);
	return { kind: "chain", slots };
}

function compiled(text: string, tenant: string): MaskedKey[] {
	const parsed = parseRule(`match(${text}) >> pass`);
	if (!parsed.ok)
		throw new Error(`${text}: ${JSON.stringify(parsed.problems)}`);
	try {
		return compilePredicate(parsed.rule.predicate, tenant);
	} catch (error) {
		/* A rule no planner would send: it matches nothing. */
		if (error instanceof PredicateTooLargeError) return [];
		throw error;
	}
}

function predicate(random: Random, party: Party, side: Side): string {
	const terms = Array.from({ length: 1 + random.below(3) }, () => {
		const one = test(random, party, side);
		if (random.chance(15)) return `~(${one})`;
		return random.chance(20) ? `(${one} | ${test(random, party, side)})` : one;
	});
	return random.chance(4) ? "*" : terms.join(" & ");
}

const PORTS = [53, 80, 443, 1023, 1024, 8080, 65535];

function test(random: Random, party: Party, side: Side): string {
	const family = random.chance(60) ? 4 : 6;
	const users = randomPrefix(random, party.subnets, family);
	const servers = randomPrefix(random, OUTSIDE, family);
	const inbound = side === "exit";
	const sign = random.chance(90) ? "=" : "!=";
	switch (random.below(9)) {
		case 0:
			return `src${sign}${inbound ? servers : users}`;
		case 1:
			return `dst${sign}${inbound ? users : servers}`;
		case 2:
			return `proto${sign}${random.pick(["tcp", "udp", "icmp", "icmpv6", "sctp", "47"])}`;
		case 3:
			return `dport${sign}${portRange(random)}`;
		case 4:
			return `sport${sign}${portRange(random)}`;
		case 5:
			return `dport${sign}{${random.some(PORTS).join(", ")}}`;
		case 6:
			return `dscp${sign}${random.pick([0, 46, 10])}`;
		case 7:
			return `icmp-type${sign}${random.pick([0, 8, 13, 128, 129])}`;
		default:
			return `proto=${random.pick(["tcp", "udp"])} & dport=${random.pick(PORTS)}`;
	}
}

function portRange(random: Random): string {
	const from = random.chance(50) ? random.pick(PORTS) : 1 + random.below(65535);
	const to = Math.min(65535, from + random.below(3000));
	return `${from}-${to}`;
}
