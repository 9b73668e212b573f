/** Twin of the rule table: bpf/lib/rules.h and who asks it in classify.h. */
import { matchKey } from "../../model/compile.js";
import type { Packet } from "../../model/packet.js";
import type {
	NodeState,
	RuleSetState,
	RuleState,
	TenantState,
} from "../state.js";
import { replyTo } from "./flows.js";

/** Protocol numbers of ICMP and ICMPv6. */
const ICMP: readonly number[] = [1, 58];
/** ICMP type of an answer → of the question. */
const ASKED: Readonly<Record<number, number>> = { 0: 8, 129: 128 };

export function ruleSetOf(
	state: NodeState,
	tenantId: number,
	side: RuleSetState["side"],
): RuleSetState | undefined {
	return state.ruleSets.find(
		(one) => one.tenantId === tenantId && one.side === side,
	);
}

/**
 * The first rule that matches: rules are in order of rank. The ports of ICMP
 * are its identifier, which tells flows apart but is nothing to rules.
 */
export function findRule(
	set: RuleSetState,
	facts: Packet,
): RuleState | undefined {
	const packet = ICMP.includes(facts.proto)
		? { ...facts, sport: 0, dport: 0 }
		: facts;
	let best: RuleState | undefined;
	for (const rule of set.rules) {
		if (
			(best === undefined || rule.rank > best.rank) &&
			rule.keys.some((key) => matchKey(key, packet))
		) {
			best = rule;
		}
	}
	return best;
}

/** The rules of now let pass, without a chain, the packet that this one answers. */
export function letsAnswer(
	set: RuleSetState,
	tenant: TenantState | undefined,
	answer: Packet,
): boolean {
	const { proto, icmpType } = answer;
	const asked = ICMP.includes(proto) ? (ASKED[icmpType] ?? icmpType) : icmpType;
	const rule = findRule(set, {
		...replyTo(answer),
		dscp: 0,
		icmpType: asked,
	});
	return rule ? rule.action.kind === "pass" : tenant?.default === "forward";
}

/** Then DSCP is part of its flows' key. */
export function looksAtDscp(set: RuleSetState): boolean {
	return set.rules.some((rule) => rule.keys.some((key) => key.dscpMask !== 0));
}
