/**
 * Who stands in on a protected path while a node of its way is lost: the same
 * functions, by instances on nodes that it does not depend on. A node's functions
 * and its encryption function are lost together, so both are left together.
 */
import type { FunctionDocument, Intent } from "../model/intent.js";
import type { Candidate } from "./combine.js";
import { textHash } from "./hash.js";
import type { Leg } from "./lanes.js";

export interface StandIn {
	/** Absent: nobody can stand in for anybody. */
	readonly members?: readonly Candidate[];
	/** Whom nobody stands in for. */
	readonly warnings: readonly string[];
}

/** An instance that is up, and whether it serves without need. */
export interface Spare extends Candidate {
	readonly standby: boolean;
}

/**
 * @param members instances of the path, one a function
 * @param spares instances that are up, of each function
 */
export function standIn(
	{ ingress, egress }: Pick<Leg, "ingress" | "egress">,
	members: readonly Candidate[],
	spares: readonly (readonly Spare[])[],
): StandIn {
	const ends = new Set([ingress, egress]);
	const lost = new Set(
		members.map(({ node }) => node).filter((node) => !ends.has(node)),
	);
	if (lost.size === 0) {
		return {
			warnings:
				ingress === egress
					? []
					: [
							`its packets go from node ${ingress} to node ${egress} at once: no other way can stand in when one of them fails`,
						],
		};
	}
	const warnings: string[] = [];
	let before = ingress;
	const chosen = members.map((member, index) => {
		if (!lost.has(member.node)) {
			before = member.node;
			return member;
		}
		const others = (spares[index] ?? []).filter(
			({ node }) => node !== member.node,
		);
		const apart = others.filter(({ node }) => !lost.has(node));
		const best = nearest(apart.length > 0 ? apart : others, before, member);
		if (!best) {
			warnings.push(
				`no instance of function ${member.function} is up on another node than ${member.node}: nothing stands in when that fails (declare one, with standby: true)`,
			);
		}
		before = best?.node ?? member.node;
		return best ?? member;
	});
	const isOther = chosen.some((one, index) => one !== members[index]);
	return { ...(isOther && { members: chosen }), warnings };
}

/** On the node where the packet is, before others; standbys last; then dealt out evenly. */
function nearest(
	spares: readonly Spare[],
	here: string,
	{ instance }: Candidate,
): Candidate | undefined {
	const cost = (one: Spare) =>
		(one.node === here ? 0 : 2) + (one.standby ? 1 : 0);
	const turn = (one: Spare) =>
		textHash(`${instance} ${one.instance}@${one.node}`);
	const [best] = spares.toSorted(
		(a, b) => cost(a) - cost(b) || turn(a) - turn(b),
	);
	if (!best) return undefined;
	const { standby: _, ...candidate } = best;
	return candidate;
}

/**
 * Why functions could come to be on a node that no encryption function is on,
 * while their packets are sealed; undefined: they cannot.
 */
export function splitBy(
	intent: Intent,
	functions: readonly FunctionDocument[],
	{ ingress, egress }: Pick<Leg, "ingress" | "egress">,
): string | undefined {
	const places = functions.flatMap(({ name, spec }) =>
		spec.instances.map(({ node }) => ({ name, node })),
	);
	const nodes = new Set([ingress, egress, ...places.map(({ node }) => node)]);
	if (nodes.size === 1) return undefined;
	const bare = places.find(({ node }) => {
		const declared = intent.nodes.get(node);
		return declared && declared.spec.underlay === undefined;
	});
	return bare
		? `function ${bare.name} could come to serve on node ${bare.node}, which can have no encryption function (declare its spec.underlay, or no instance there)`
		: undefined;
}
