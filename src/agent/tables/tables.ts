/**
 * The tables that steer: tenants, peers, rules, paths. What is added is there
 * before anything points to it; what goes is pruned when nothing does any more.
 */
import { waitForPrograms } from "../../kernel/grace.js";
import type { NodeState, RuleSetState } from "../../plan/state.js";
import type { Maps } from "../dataplane.js";
import * as network from "./network.js";
import { type Attachments, PathTables } from "./paths.js";
import { RuleTables, ruleSetIndex } from "./rules.js";
import { add, prune, type Table } from "./sync.js";

export class Tables {
	readonly #maps: Maps;
	readonly #rules: RuleTables;
	readonly paths: PathTables;

	/** Reads from the tables what former runs left in them. */
	constructor(maps: Maps) {
		this.#maps = maps;
		this.paths = new PathTables(maps, waitForPrograms);
		this.#rules = new RuleTables(maps, waitForPrograms);
	}

	setNode(state: NodeState): void {
		this.#maps.config.set(0, network.configValue(state));
	}

	addTenants(state: NodeState): void {
		add(this.#maps.subnets, network.subnetEntries(state));
		for (const set of state.ruleSets)
			this.#rules.setDefault(
				ruleSetIndex(set.tenantId, set.side),
				dropsByDefault(state, set.tenantId),
			);
	}

	pruneTenants(state: NodeState): void {
		prune(this.#maps.subnets, network.subnetEntries(state));
		prune(this.#maps.owners, network.ownerEntries(state));
	}

	addPeers(state: NodeState): void {
		add(this.#maps.nodes, network.nodeEntries(state));
		add(this.#maps.peers, network.peerEntries(state));
	}

	prunePeers(state: NodeState): void {
		prune(this.#maps.peers, network.peerEntries(state));
		removeNodes(this.#maps.nodes, state);
	}

	/** `policies`: numbers of the policies, by name. */
	putPaths(
		paths: NodeState["paths"],
		policies: ReadonlyMap<string, number>,
		attachments: Attachments,
	): void {
		for (const path of paths)
			this.paths.put(path, policies.get(path.policy) ?? 0, attachments);
	}

	prunePaths(state: NodeState): void {
		const wanted = new Set(state.paths.map((path) => path.spi));
		this.paths.remove(this.paths.present().filter((spi) => !wanted.has(spi)));
	}

	putRules(sets: readonly RuleSetState[], state: NodeState): void {
		for (const set of sets)
			this.#rules.put(set, dropsByDefault(state, set.tenantId));
		add(this.#maps.owners, network.ownerEntries(state));
	}

	removeRules(
		sets: readonly Pick<RuleSetState, "tenantId" | "side">[],
		state: NodeState,
	): void {
		prune(this.#maps.owners, network.ownerEntries(state));
		for (const { tenantId, side } of sets)
			this.#rules.remove(ruleSetIndex(tenantId, side));
	}

	pruneRules(state: NodeState): void {
		const wanted = new Set(
			state.ruleSets.map((set) => ruleSetIndex(set.tenantId, set.side)),
		);
		for (const index of this.#rules.present())
			if (!wanted.has(index)) this.#rules.remove(index);
	}
}

/** Numbers of the policies, by name. */
export function policyIds(
	state: Pick<NodeState, "ruleSets">,
): Map<string, number> {
	return new Map(
		state.ruleSets.flatMap((set) =>
			set.rules.map((rule) => [rule.policy, rule.policyId]),
		),
	);
}

function dropsByDefault(state: NodeState, tenantId: number): boolean {
	return (
		state.tenants.find((tenant) => tenant.id === tenantId)?.default === "drop"
	);
}

/** An array has every index: what is not wanted is marked absent. */
function removeNodes(
	nodes: Table<number, { underlay: number; present: number }>,
	state: NodeState,
): void {
	const wanted = new Set(state.peers.map((peer) => peer.nodeId));
	const stale = Array.from(nodes.entries()).filter(
		([id, node]) => node.present && !wanted.has(id),
	);
	nodes.setBatch(stale.map(([id]) => [id, { underlay: 0, present: 0 }]));
}
