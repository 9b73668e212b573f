/** Whose an address is: maps `subnets` and `owners` of bpf/maps.h. */
import {
	addressHex,
	contains,
	covers,
	prefixRange,
	type Range,
} from "../prefix.js";
import type { NodeState } from "../state.js";

/** A tenant's own: sources its users may have. */
export function isOf(
	state: NodeState,
	tenantId: number,
	address: string,
): boolean {
	const tenant = state.tenants.find(({ id }) => id === tenantId);
	return (
		tenant !== undefined &&
		contains(tenant.subnets.map(prefixRange), addressHex(address))
	);
}

/**
 * Whose an address is at a shared exit: of tenants with rules for outsiders
 * here. What two of them claim alike is nobody's: 0.
 */
export function ownerOf(state: NodeState, address: string): number {
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
