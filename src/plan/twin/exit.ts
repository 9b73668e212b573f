/**
 * Twin of bpf/lib/exit.h: by which interface a packet leaves the node, and what
 * the node learns from it for the answers.
 */
import type { Packet } from "../../model/packet.js";
import type { InterfaceState, NodeState, PathState } from "../state.js";
import type { NodeIndex } from "../walk.js";
import { type Flow, type FlowTable, replyTo } from "./flows.js";
import { isOf, ownerOf } from "./owners.js";
import { ruleSetOf } from "./rules.js";
import type { OnPath, TraceStep } from "./steps.js";

/** Interface, without a VLAN tag, to which a node's routes lead a packet. */
export type Routes = (node: string, packet: Packet) => string;

/** A node that a packet leaves. */
export interface Place {
	readonly at: NodeIndex;
	readonly table: FlowTable;
	/** Where they are not known, the twin guesses among interfaces that fit. */
	readonly routes: Routes | undefined;
}

export interface Leaving {
	readonly packet: Packet;
	readonly tenantId: number;
	/** ICMP errors teach nothing. */
	readonly isError: boolean;
	/** Its place on a path that ends here; or else, unchained: whence it came. */
	readonly by:
		| { readonly path: PathState; readonly on: OnPath }
		| { readonly side: "access" | "exit"; readonly isAnswer: boolean };
}

/** The last steps of a packet here: it leaves, or is dropped. */
export function leave(place: Place, leaving: Leaving): TraceStep[] {
	const { node } = place.at.state;
	const { by } = leaving;
	const home = answers(by) ? origin(place, leaving) : undefined;
	const out = home
		? interfaceOf(place.at.state, home)
		: byRoute(place, leaving);
	if (!out || !mayLeave(out, leaving.tenantId, !("path" in by))) {
		const why = "no interface here that its tenant may use leads there";
		return [{ kind: "drop", node, reason: "exit_forbidden", why }];
	}
	const learned =
		home || leaving.isError ? [] : learn(place, leaving, out.tenantId);
	if (learned.some(({ kind }) => kind === "drop")) return learned;
	const leaves = { node, interface: out.name, vlan: out.vlan };
	const step: TraceStep =
		"path" in by
			? {
					kind: "exit",
					...by.on,
					...leaves,
					why: "every function has seen it",
				}
			: {
					kind: "pass",
					...leaves,
					why: `unchained: leaves by ${out.role} interface ${out.name}, as routes lead`,
				};
	return [step, ...learned];
}

/** Back to where the flow came from, so that tenants may overlap. */
function origin({ table }: Place, { packet, tenantId }: Leaving): Flow["from"] {
	const back = replyTo(packet);
	const judged = table.get(tenantId, back, 0);
	const flow = judged?.generation ? judged : table.origin(tenantId, back);
	return flow?.generation && flow.tenantId === tenantId ? flow.from : undefined;
}

function answers(by: Leaving["by"]): boolean {
	return "path" in by ? by.path.direction === "reverse" : by.isAnswer;
}

function interfaceOf(
	state: NodeState,
	{ interface: name, vlan }: NonNullable<Flow["from"]>,
): InterfaceState | undefined {
	return state.interfaces.find((one) => one.name === name && one.vlan === vlan);
}

function mayLeave(
	{ role, tenantId }: InterfaceState,
	tenant: number,
	unchained: boolean,
): boolean {
	if (role === "exit") return tenantId === 0 || tenantId === tenant;
	if (role === "access") return tenantId === tenant;
	return unchained;
}

function byRoute(
	{ at, routes }: Place,
	{ packet, tenantId, by }: Leaving,
): InterfaceState | undefined {
	const { state } = at;
	if (routes) return routed(state, routes, packet);
	const fits = state.interfaces.filter((one) =>
		mayLeave(one, tenantId, !("path" in by)),
	);
	const home = isOf(state, tenantId, packet.dst);
	return (
		(home ? fits.find(({ role }) => role === "access") : undefined) ??
		fits.find(({ role, tenantId }) => role === "exit" && tenantId > 0) ??
		fits.find(({ role }) => role !== "access")
	);
}

export function routed(
	state: NodeState,
	routes: Routes,
	packet: Packet,
): InterfaceState | undefined {
	return interfaceOf(state, { interface: routes(state.node, packet), vlan: 0 });
}

/**
 * What answers the packet takes the path back, or passes as the packet did. An
 * answer teaches nothing: what it answers was judged, and will be again.
 */
function learn(
	{ at, table }: Place,
	{ packet, tenantId, by }: Leaving,
	scope: number,
): TraceStep[] {
	const { state } = at;
	const { node } = state;
	const back = replyTo(packet);
	const spi: Flow["spi"] = "path" in by ? by.path.reverseSpi : "pass";
	const born =
		"path" in by
			? table.birthOf(by.path.reverseSpi)
			: (ruleSetOf(state, tenantId, by.side)?.generation ?? 0);
	if ("path" in by && born === 0) return [];
	const isAnswer = answers(by);
	const known = table.get(scope, back, 0);
	const fresh = !known && !isAnswer;
	const owner = scope === 0 && fresh ? ownerOf(state, packet.src) : 0;
	const rival = known?.tenantId ?? (owner || tenantId);
	if (rival !== tenantId) {
		const why = known
			? `the same tuple of tenant ${rival} already leaves here`
			: `${packet.src} is tenant ${rival}'s here`;
		return [{ kind: "drop", node, reason: "exit_conflict", why }];
	}
	if (isAnswer) return [];
	const asked = "path" in by ? undefined : by.side;
	if (!known) {
		const flow = { spi, born, asked, generation: 0, policyId: 0, tenantId };
		table.set(scope, back, 0, flow);
	} else if (
		known.spi !== spi ||
		known.born !== born ||
		known.asked !== asked
	) {
		Object.assign(known, { spi, born, asked, generation: 0 });
	}
	const why =
		spi === "pass"
			? "replies that arrive here pass as long as rules let this one"
			: `replies that arrive here walk path ${spi} back`;
	return [{ kind: "learn", node, spi, scope, why }];
}
