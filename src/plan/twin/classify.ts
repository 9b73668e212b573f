/** Twin of the classifier: from a packet to its path, as bpf/lib/classify.h. */
import type { Packet } from "../../model/packet.js";
import { flowHash, SLOTS, tupleBytes } from "../hash.js";
import type {
	InterfaceState,
	NodeState,
	RuleState,
	TenantState,
} from "../state.js";
import type { NodeIndex } from "../walk.js";
import type { Flow, FlowTable } from "./flows.js";
import { isOf, ownerOf } from "./owners.js";
import { findRule, letsAnswer, looksAtDscp, ruleSetOf } from "./rules.js";
import type { Start, TraceStep } from "./steps.js";

/** Where a packet goes from here: by a path, or without one. */
export interface Choice {
	readonly spi: number | "pass";
	readonly tenantId: number;
	/** Of packets that left here, by a flow learned from them. */
	readonly isAnswer: boolean;
}

/** Undefined where it is dropped, which the steps then say. */
export function classify(
	{ state }: NodeIndex,
	arrived: InterfaceState & { readonly role: "access" | "exit" },
	{ packet, errorFrom }: Pick<Start, "packet" | "errorFrom">,
	table: FlowTable,
	steps: TraceStep[],
): Choice | undefined {
	const { node } = state;
	const { role } = arrived;
	const access = role === "access";
	const scope = arrived.tenantId;
	const tenantId = scope || ownerOf(state, packet.dst);
	const set = tenantId ? ruleSetOf(state, tenantId, role) : undefined;
	const tenant = state.tenants.find(({ id }) => id === tenantId);
	const dscp = access && set && looksAtDscp(set) ? packet.dscp : 0;
	const name = tenant?.name;
	const drop = (reason: string, why: string) => {
		steps.push({ kind: "drop", node, reason, why });
		return undefined;
	};
	steps.push({
		kind: "arrive",
		node,
		tenantId,
		role,
		why: `${role} interface ${arrived.name} of ${name ? `tenant ${name}` : "no tenant in particular"}`,
	});
	if (access && errorFrom && !isOf(state, tenantId, errorFrom)) {
		const why = `the error comes from ${errorFrom}, in no subnet of tenant ${name}`;
		return drop("spoofed", why);
	}
	/* A learned flow knows no DSCP: replies may carry another one. */
	const learned = table.get(scope, packet, 0);
	const known =
		table.get(scope, packet, dscp) ??
		(learned?.generation === 0 ? learned : undefined);
	if (known && isCurrent(state, table, known, packet, role)) {
		known.from = { interface: arrived.name, vlan: arrived.vlan };
		return flowHit(node, known, steps);
	}
	if (access && !isOf(state, tenantId, packet.src)) {
		return drop(
			"spoofed",
			`${packet.src} is in no subnet of tenant ${name ?? tenantId}`,
		);
	}
	if (!tenant || !set) {
		const why = tenant
			? `tenant ${name} has no rules here`
			: "addressed to no tenant with rules here";
		return drop("unowned", why);
	}
	const rule = findRule(set, packet);
	const spi = rule
		? (keptBy(rule, known, table, steps, node) ??
			chooseByRule(node, rule, packet, steps))
		: byDefault(node, tenant, steps);
	if (rule || spi === "pass") {
		table.set(scope, packet, dscp, {
			spi,
			generation: set.generation,
			born: typeof spi === "number" ? table.birthOf(spi) : 0,
			policyId: rule?.policyId ?? 0,
			tenantId,
			from: { interface: arrived.name, vlan: arrived.vlan },
		});
	}
	if (spi !== "drop") return { spi, tenantId, isAnswer: false };
	return rule
		? drop("policy", "a rule says drop")
		: drop("default", "the tenant's default is drop");
}

/** Other rules, same policy: the path that a running flow stays on. */
function keptBy(
	{ keep, action, policy, policyId }: RuleState,
	known: Flow | undefined,
	table: FlowTable,
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
		!table.hasPathOf(known)
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

/**
 * A flow that rules judged lives as long as they do, and none longer than its
 * path; an answer passes as long as rules let pass what it answers.
 */
function isCurrent(
	state: NodeState,
	table: FlowTable,
	flow: Flow,
	packet: Packet,
	side: "access" | "exit",
): boolean {
	const judged = flow.generation > 0;
	const now = ruleSetOf(state, flow.tenantId, side);
	if (judged && flow.generation !== now?.generation) return false;
	if (flow.spi === "drop") return true;
	if (flow.spi !== "pass") return table.hasPathOf(flow);
	return judged || answerPasses(state, flow, packet);
}

/** The first answer after a change asks the rules of now. */
function answerPasses(state: NodeState, flow: Flow, packet: Packet): boolean {
	const set = flow.asked && ruleSetOf(state, flow.tenantId, flow.asked);
	if (!set) return false;
	if (flow.born !== set.generation) {
		const tenant = state.tenants.find(({ id }) => id === flow.tenantId);
		flow.born = letsAnswer(set, tenant, packet) ? set.generation : 0;
	}
	return flow.born > 0;
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
	{ spi, generation, tenantId }: Flow,
	steps: TraceStep[],
): Choice | undefined {
	const learned = generation === 0;
	const why = learned
		? "reply to a flow that left here"
		: "the flow table remembers its flow";
	steps.push({ kind: "flow", node, spi, learned, why });
	if (spi !== "drop") return { spi, tenantId, isAnswer: learned };
	const said = "a rule says drop";
	steps.push({ kind: "drop", node, reason: "policy", why: said });
	return undefined;
}
