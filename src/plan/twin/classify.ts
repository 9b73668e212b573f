/** Twin of the classifier: from a packet to its path, as bpf/lib/classify.h. */
import { matchKey } from "../../model/compile.js";
import type { Packet } from "../../model/packet.js";
import { flowHash, SLOTS, tupleBytes } from "../hash.js";
import {
	addressHex,
	contains,
	covers,
	prefixRange,
	type Range,
} from "../prefix.js";
import type {
	InterfaceState,
	NodeState,
	RuleSetState,
	RuleState,
	TenantState,
} from "../state.js";
import type { NodeIndex } from "../walk.js";
import { type Flow, type FlowTable, replyTo } from "./flows.js";
import type { TraceStep } from "./steps.js";

/** Protocol numbers of ICMP and ICMPv6. */
const ICMP: readonly number[] = [1, 58];

/** The path to take; undefined where the steps say what happened instead. */
export function classify(
	{ state, paths }: NodeIndex,
	arrived: InterfaceState,
	packet: Packet,
	table: FlowTable,
	steps: TraceStep[],
): number | undefined {
	const { node } = state;
	const access = arrived.role === "access";
	const scope = arrived.tenantId;
	const tenantId = scope || ownerOf(state, packet.dst);
	const set = state.ruleSets.find(
		(one) => one.tenantId === tenantId && one.side === arrived.role,
	);
	const tenant = state.tenants.find(({ id }) => id === tenantId);
	const dscp = access && set && looksAtDscp(set) ? packet.dscp : 0;
	steps.push({
		kind: "arrive",
		node,
		tenantId,
		role: arrived.role,
		why: `${arrived.role} interface ${arrived.name} of ${tenant ? `tenant ${tenant.name}` : "no tenant in particular"}`,
	});
	/* A learned flow knows no DSCP: replies may carry another one. */
	const learned = table.get(scope, packet, 0);
	const known =
		table.get(scope, packet, dscp) ??
		(learned?.generation === 0 ? learned : undefined);
	if (known && isCurrent(paths, known, set)) {
		return flowHit(node, known, steps);
	}
	if (!tenant) {
		steps.push({ kind: "pass", node, why: "addressed to no tenant" });
		return undefined;
	}
	if (
		access &&
		!contains(tenant.subnets.map(prefixRange), addressHex(packet.src))
	) {
		steps.push({
			kind: "drop",
			node,
			reason: "spoofed",
			why: `${packet.src} is in no subnet of tenant ${tenant.name}`,
		});
		return undefined;
	}
	if (!set) {
		steps.push({ kind: "pass", node, why: "the tenant has no rules here" });
		return undefined;
	}
	const rule = findRule(set, packet);
	const spi = rule
		? (keptBy(rule, known, paths, steps, node) ??
			chooseByRule(node, rule, packet, steps))
		: byDefault(node, tenant, steps);
	if (rule || spi === "pass") {
		const { generation } = set;
		const policyId = rule?.policyId ?? 0;
		const flow = { spi, generation, policyId, tenantId };
		table.set(scope, packet, dscp, flow);
	}
	if (spi === "pass" && tenant.default === "drop") {
		learnPass(table, packet, tenantId);
	}
	return settle(node, spi, rule ? "policy" : "default", steps);
}

/** Replies to a flow that passes unchained must not meet a default of drop. */
function learnPass(table: FlowTable, packet: Packet, tenantId: number): void {
	const back = replyTo(packet);
	if (!table.get(0, back, 0)) {
		const flow = { spi: "pass", generation: 0, policyId: 0, tenantId } as const;
		table.set(0, back, 0, flow);
	}
}

/** Other rules, same policy: the path that a running flow stays on. */
function keptBy(
	{ keep, action, policy, policyId }: RuleState,
	known: Flow | undefined,
	paths: NodeIndex["paths"],
	steps: TraceStep[],
	node: string,
): number | undefined {
	if (
		!keep ||
		action.kind !== "chain" ||
		action.slots.length === 0 ||
		known?.policyId !== policyId ||
		known.generation === 0 ||
		typeof known.spi !== "number" ||
		!paths.has(known.spi)
	) {
		return undefined;
	}
	const why = `policy ${policy} keeps running flows on their path`;
	steps.push({ kind: "flow", node, spi: known.spi, learned: false, why });
	return known.spi;
}

function byDefault(
	node: string,
	tenant: TenantState,
	steps: TraceStep[],
): "pass" | "drop" {
	const action = tenant.default;
	steps.push({ kind: "default", node, action, why: "no rule matches" });
	return action === "drop" ? "drop" : "pass";
}

/** A learned flow lives as long as its path, one that rules judged as long as they do. */
function isCurrent(
	paths: NodeIndex["paths"],
	flow: Flow,
	set: RuleSetState | undefined,
): boolean {
	if (flow.generation > 0 && flow.generation !== set?.generation) {
		return false;
	}
	return typeof flow.spi === "string" || paths.has(flow.spi);
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

function chooseByRule(
	node: string,
	{ policy, rank, action }: RuleState,
	packet: Packet,
	steps: TraceStep[],
): Flow["spi"] {
	const why = `policy ${policy} is the first that matches`;
	steps.push({ kind: "rule", node, policy, rank, action: action.kind, why });
	if (action.kind !== "chain") {
		return action.kind;
	}
	const hash = flowHash(tupleBytes(packet));
	const [only, another] = action.slots;
	/* A chain without a path lets nothing pass. */
	if (only === undefined) {
		return "drop";
	}
	if (another === undefined) {
		steps.push({ kind: "path", node, spi: only, hash, why: "the only path" });
		return only;
	}
	const slot = hash % SLOTS;
	const spi = action.slots[slot] ?? 0;
	steps.push({
		kind: "path",
		node,
		spi,
		hash,
		slot,
		why: `flow hash ${hash} modulo ${SLOTS} is slot ${slot}`,
	});
	return spi;
}

function flowHit(
	node: string,
	flow: Flow,
	steps: TraceStep[],
): number | undefined {
	const learned = flow.generation === 0;
	const why = learned
		? "reply to a flow that left here"
		: "the flow table remembers its flow";
	steps.push({ kind: "flow", node, spi: flow.spi, learned, why });
	return settle(node, flow.spi, "policy", steps);
}

function settle(
	node: string,
	spi: Flow["spi"],
	reason: "policy" | "default",
	steps: TraceStep[],
): number | undefined {
	if (spi === "pass") {
		const why = "unchained: the node's own routing takes it";
		steps.push({ kind: "pass", node, why });
	}
	if (spi === "drop") {
		const why =
			reason === "policy" ? "a rule says drop" : "the tenant's default is drop";
		steps.push({ kind: "drop", node, reason, why });
	}
	return typeof spi === "number" ? spi : undefined;
}

/**
 * Whose an address is at a shared exit: of tenants with rules for outsiders
 * here. What two of them claim alike is nobody's.
 */
function ownerOf(state: NodeState, address: string): number {
	const hex = addressHex(address);
	let owner = 0;
	let narrowest: Range | undefined;
	for (const { id, subnets } of state.tenants) {
		const judged = state.ruleSets.some(
			(set) => set.tenantId === id && set.side === "exit",
		);
		for (const range of judged ? subnets.map(prefixRange) : []) {
			if (!contains([range], hex)) continue;
			if (narrowest && !covers([narrowest], range)) continue;
			const disputed = narrowest && covers([range], narrowest);
			owner = disputed && owner !== id ? 0 : id;
			narrowest = range;
		}
	}
	return owner;
}

/** Then DSCP is part of its flows' key. */
export function looksAtDscp(set: RuleSetState): boolean {
	return set.rules.some((rule) => rule.keys.some((key) => key.dscpMask !== 0));
}
