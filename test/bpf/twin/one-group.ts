/** A node whose only rule spreads a tenant's flows over all slots of a group. */
import { ANY_PACKET } from "../../../src/model/packet.js";
import type { NodeState } from "../../../src/plan/state.js";
import type { Party } from "./tenants.js";

/** Its paths are absent: only what the flow table says of them is of interest. */
export function oneGroup(party: Party, slots: readonly number[]): NodeState {
	const { id, name, subnets, access } = party;
	return {
		node: "n1",
		revision: 1,
		nodeId: 1,
		mtu: 1500,
		tenants: [{ id, name, subnets, default: "forward" }],
		interfaces: [{ ...access, role: "access", tenantId: id }],
		peers: [],
		instances: [],
		paths: [],
		ruleSets: [
			{
				tenantId: id,
				side: "access",
				generation: 1,
				rules: [
					{
						policy: "all",
						policyId: 1,
						rank: 1,
						keep: false,
						keys: [ANY_PACKET],
						action: { kind: "chain", slots },
					},
				],
			},
		],
	};
}
