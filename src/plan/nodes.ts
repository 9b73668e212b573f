/** Puts a plan's parts together, node by node. */
import type { Intent, NodeDocument } from "../model/intent.js";
import { DEFAULT_MTU } from "./lanes.js";
import type { PathTable } from "./paths.js";
import type { Ports } from "./ports.js";
import type { RuleSets } from "./rule-sets.js";
import type { InterfaceState, NodeState, TenantState } from "./state.js";

export interface Parts {
	readonly intent: Intent;
	readonly revision: number;
	readonly tenantId: (name: string) => number;
	readonly nodeId: (name: string) => number;
	readonly paths: PathTable;
	readonly ports: Ports;
	readonly ruleSets: RuleSets;
}

/** Desired state of every declared node, by name. */
export function draftNodes(parts: Parts): Map<string, NodeState> {
	const tenants = new Map<number, TenantState>();
	for (const { name, spec } of parts.intent.tenants.values()) {
		const id = parts.tenantId(name);
		tenants.set(id, {
			id,
			name,
			default: spec.default ?? "forward",
			subnets: spec.subnets,
		});
	}
	return new Map(
		[...parts.intent.nodes.values()].map((node) => [
			node.name,
			draftNode(node, parts, tenants),
		]),
	);
}

function draftNode(
	{ name, spec }: NodeDocument,
	{ intent, revision, tenantId, nodeId, paths, ports, ruleSets }: Parts,
	tenants: ReadonlyMap<number, TenantState>,
): NodeState {
	/* One of a tenant that is not declared must not become a shared one. */
	const interfaces = spec.interfaces
		.filter(({ tenant }) => tenant === undefined || intent.tenants.has(tenant))
		.map(
			(port): InterfaceState => ({
				name: port.name,
				vlan: port.vlan ?? 0,
				role: port.role,
				tenantId: port.tenant === undefined ? 0 : tenantId(port.tenant),
			}),
		);
	const own = paths
		.on(name)
		.map((path) =>
			ruleSets.usesDscp(path.tenantId)
				? { ...path, byDscp: true as const }
				: path,
		);
	const links = paths.linksOf(name);
	const sets = ruleSets.on(name);
	const present = new Set([
		...interfaces.map((port) => port.tenantId),
		...own.map((path) => path.tenantId),
		...sets.map((set) => set.tenantId),
	]);
	return {
		node: name,
		revision,
		nodeId: nodeId(name),
		...(spec.underlay === undefined ? {} : { underlay: spec.underlay }),
		mtu: spec.mtu ?? DEFAULT_MTU,
		tenants: [...tenants.values()]
			.filter((tenant) => present.has(tenant.id))
			.sort((a, b) => a.id - b.id),
		interfaces,
		peers: paths.peersOf(name).map((peer) => ({
			nodeId: nodeId(peer),
			name: peer,
			underlay: intent.nodes.get(peer)?.spec.underlay ?? "",
		})),
		instances: ports.instancesOn(name),
		paths: own,
		...(links.length > 0 && { links }),
		ruleSets: sets,
	};
}
