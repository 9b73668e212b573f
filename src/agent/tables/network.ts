/** Entries of the maps that say who is who: tenants, interfaces, nodes, addresses. */

import type { Attachment } from "../../functions/runtime.js";
import type * as layout from "../../kernel/layout.gen.js";
import {
	EfFlags,
	type IfaceKey,
	IfaceRole,
	LAYOUT_VERSION,
	type LpmKey,
	SCOPE_SHARED,
} from "../../kernel/layout.gen.js";
import type { NodeState } from "../../plan/state.js";
import { addressBytes, parseMac } from "../../wire/address.js";
import { VXLAN_GPE_PORT } from "../../wire/vxlan.js";
import { addrOf, lpmOf, textOf } from "./encode.js";

type Part<K extends keyof NodeState> = Pick<NodeState, K>;

export function configValue(state: Part<"nodeId" | "underlay">): layout.Config {
	return {
		layout: LAYOUT_VERSION,
		nodeId: state.nodeId,
		underlay: state.underlay === undefined ? 0 : ipv4Word(state.underlay),
		vxlanPort: VXLAN_GPE_PORT,
	};
}

const ROLES = {
	access: IfaceRole.ACCESS,
	exit: IfaceRole.EXIT,
	underlay: IfaceRole.UNDERLAY,
} as const;

/** `indexOf` gives the index of an interface; those without one are left out. */
export function ifaceEntries(
	state: Part<"interfaces">,
	indexOf: (name: string) => number | undefined,
): [IfaceKey, layout.Iface][] {
	return state.interfaces.flatMap((one): [IfaceKey, layout.Iface][] => {
		const ifindex = indexOf(one.name);
		if (ifindex === undefined) return [];
		const scope = one.role === "underlay" ? SCOPE_SHARED : one.tenantId;
		return [
			[
				{ ifindex, vlan: one.vlan },
				{ tenant: one.tenantId, role: ROLES[one.role], scope },
			],
		];
	});
}

/** (tenant, prefix) → 1: the sources a tenant may use. */
export function subnetEntries(state: Part<"tenants">): [LpmKey, number][] {
	return state.tenants.flatMap((tenant) =>
		tenant.subnets.map((prefix): [LpmKey, number] => [
			lpmOf(tenant.id, prefix),
			1,
		]),
	);
}

/**
 * (0, prefix) → tenant: whose a destination is at a shared exit. Only tenants
 * with rules for what arrives here: the planner sees to it that no two of them
 * overlap, and where two do all the same, the prefix belongs to nobody.
 */
export function ownerEntries(
	state: Part<"tenants" | "ruleSets">,
): [LpmKey, number][] {
	const judged = new Set(
		state.ruleSets
			.filter(({ side }) => side === "exit")
			.map(({ tenantId }) => tenantId),
	);
	const owners = new Map<string, [LpmKey, number]>();
	for (const tenant of state.tenants) {
		if (!judged.has(tenant.id)) continue;
		for (const prefix of tenant.subnets) {
			const key = lpmOf(0, prefix);
			const rival = owners.get(textOf(key));
			owners.set(textOf(key), [
				key,
				rival && rival[1] !== tenant.id ? 0 : tenant.id,
			]);
		}
	}
	return [...owners.values()];
}

/** Entry of the map `ef`: the host ends of the node's encryption function. */
export function efValue(inside: Attachment, outside: Attachment): layout.Ef {
	const side = ({ ifindex, functionMac, hostMac }: Attachment) => ({
		ifindex,
		dmac: new Uint8Array(parseMac(functionMac)),
		smac: new Uint8Array(parseMac(hostMac)),
	});
	const tapped = outside.peer ? EfFlags.TAPPED : 0;
	const flags = EfFlags.PRESENT | tapped;
	return { inside: side(inside), outside: side(outside), flags };
}

const NO_SIDE = {
	ifindex: 0,
	dmac: new Uint8Array(6),
	smac: new Uint8Array(6),
};
/** Of a node without one: what would have to be sealed is dropped. */
export const NO_EF: layout.Ef = {
	inside: NO_SIDE,
	outside: NO_SIDE,
	flags: 0,
};

/** By node id; this node is no peer of its own. */
export function nodeEntries(state: Part<"peers">): [number, layout.Node][] {
	return state.peers.map((peer) => [
		peer.nodeId,
		{ underlay: ipv4Word(peer.underlay), present: 1 },
	]);
}

/** Underlay address → node id: who may send VXLAN-GPE. */
export function peerEntries(state: Part<"peers">): [layout.Addr, number][] {
	return state.peers.map((peer) => [addrOf(peer.underlay), peer.nodeId]);
}

/** The node's own addresses, which are never steered. */
export function localEntries(
	addresses: Iterable<string>,
): [layout.Addr, number][] {
	return Array.from(addresses, (address) => [addrOf(address), 1]);
}

/** An IPv4 address as the number whose big-endian bytes it is. */
function ipv4Word(text: string): number {
	const bytes = addressBytes(text);
	if (bytes.length !== 4)
		throw new Error(
			`underlay ${text}: is no IPv4 address (the underlay of this version is IPv4)`,
		);
	return bytes.readUInt32BE(0);
}
