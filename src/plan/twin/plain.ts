/** Twin of `plain` in bpf/underlay.bpf.c: IP without a tunnel from the underlay. */
import type { Packet } from "../../model/packet.js";
import type { InterfaceState } from "../state.js";
import type { NodeIndex } from "../walk.js";
import { type Routes, routed } from "./exit.js";
import { isOf } from "./owners.js";
import { letsAnswer, ruleSetOf } from "./rules.js";
import type { TraceStep } from "./steps.js";

/** It goes to users and exits of a tenant only as that one's rules and subnets say. */
export function plain(
	{ state }: NodeIndex,
	arrived: InterfaceState,
	packet: Packet,
	routes: Routes | undefined,
): TraceStep[] {
	const { node, interfaces } = state;
	const arrival: TraceStep = {
		kind: "arrive",
		node,
		tenantId: 0,
		role: arrived.role,
		why: `underlay interface ${arrived.name}, without a tunnel`,
	};
	const drop = (reason: string, why: string): TraceStep[] => [
		arrival,
		{ kind: "drop", node, reason, why },
	];
	const out = routes
		? routed(state, routes, packet)
		: (interfaces.find(
				({ role, tenantId }) =>
					role === "access" && isOf(state, tenantId, packet.dst),
			) ?? interfaces.find(({ role }) => role === "exit"));
	if (!out) return drop("exit_forbidden", "no interface of ours leads there");
	const { role, tenantId } = out;
	const tenant = state.tenants.find(({ id }) => id === tenantId);
	const set = ruleSetOf(state, tenantId, "access");
	if (role === "access" && !(set && letsAnswer(set, tenant, packet)))
		return drop("unowned", `answers nothing that ${tenant?.name} lets pass`);
	if (role === "exit" && tenantId > 0 && !isOf(state, tenantId, packet.src))
		return drop("exit_forbidden", `not from a subnet of ${tenant?.name}`);
	const why = `unchained: leaves by ${role} interface ${out.name}, as routes lead`;
	const leaves = { interface: out.name, vlan: out.vlan };
	return [arrival, { kind: "pass", node, ...leaves, why }];
}
