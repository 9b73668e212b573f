/**
 * From intent to the desired state of every node. Pure: the same intent, memory
 * and health give the same plan. What cannot be served is dropped, never passed
 * by, and told as a problem.
 */
import type { Intent } from "../model/intent.js";
import { Allocator, type Memory } from "./allocate.js";
import { Chains } from "./chains.js";
import { LaneTable } from "./lanes.js";
import { draftNodes } from "./nodes.js";
import type { PathSummary } from "./path.js";
import { PathCache } from "./path-cache.js";
import { PathTable, pairOf } from "./paths.js";
import { type Places, placesOf } from "./places.js";
import { Ports } from "./ports.js";
import { type PlanProblem, Problems } from "./problem.js";
import { RuleSets } from "./rule-sets.js";
import { policiesByTenant, RuleCompiler, type TenantRule } from "./rules.js";
import { exitsShared } from "./shared-exit.js";
import type { NodeState } from "./state.js";
import { Usage } from "./usage.js";

/** A plan takes three revisions: make, switch and break (transition.ts). */
export const REVISIONS_PER_PLAN = 3;

/** MAX_TENANTS and MAX_NODES in bpf/maps.h. */
const LAST_ID = 4095;
/** SPIs to 65535, the size of the path table, in pairs. */
const LAST_PAIR = 32_767;
/** Policies have 32 bits. */
const LAST_POLICY = 0xffff_ffff;

/** What is known of the running network. */
export interface Health {
	/** Instances that are down: no paths while another is up. `function/instance`. */
	readonly excluded?: ReadonlySet<string>;
	/** Nodes that are down, or whose encryption function is: all of theirs are. */
	readonly nodesDown?: ReadonlySet<string>;
	/**
	 * Instances to be left: no new flows while another is up, and the ones that
	 * run stay. `function/instance`.
	 */
	readonly leaving?: ReadonlySet<string>;
	/** SPIs that nodes still drain: not given to another path, however old. */
	readonly draining?: ReadonlySet<number>;
	/** Ports that nodes still have, by node: not given to another instance. */
	readonly ports?: ReadonlyMap<string, ReadonlySet<number>>;
}

export interface Plan {
	readonly revision: number;
	/** Every declared node, by name. */
	readonly states: ReadonlyMap<string, NodeState>;
	/** One a pair of directions, in order of SPI. */
	readonly paths: readonly PathSummary[];
	/** Errors first. With an error the intent should be refused. */
	readonly problems: readonly PlanProblem[];
}

export interface Planned {
	readonly plan: Plan;
	/** For the next call. */
	readonly memory: Memory;
}

export type Planner = (
	intent: Intent,
	memory: Memory,
	health?: Health,
) => Planned;

/** A planner that remembers compiled rules and laid paths from plan to plan. */
export function createPlanner(): Planner {
	const compiler = new RuleCompiler();
	const cache = new PathCache();
	return (intent, memory, health = {}) => {
		compiler.begin();
		return makePlan(intent, memory, health, compiler, cache);
	};
}

/** Plans once, without remembering anything but what it returns. */
export function plan(
	intent: Intent,
	memory: Memory,
	health: Health = {},
): Planned {
	return createPlanner()(intent, memory, health);
}

function makePlan(
	intent: Intent,
	memory: Memory,
	health: Health,
	compiler: RuleCompiler,
	cache: PathCache,
): Planned {
	const revision = memory.revision + REVISIONS_PER_PLAN;
	const problems = new Problems();
	const ids = {
		tenants: new Allocator("tenants", LAST_ID, memory.tenants, revision),
		nodes: new Allocator("nodes", LAST_ID, memory.nodes, revision),
		policies: new Allocator("policies", LAST_POLICY, memory.policies, revision),
		pairs: new Allocator(
			"service paths",
			LAST_PAIR,
			memory.pairs,
			revision,
			new Set([...(health.draining ?? [])].map(pairOf)),
		),
	};
	const places = placesOf(intent);
	const rules = compileRules(intent, places, compiler, problems);
	const usage = new Usage(
		intent,
		places,
		functionsUsed(rules),
		memory.attached,
	);
	problems.add(...usage.problems);
	const chains = new Chains(intent, health);
	const nodeId = (name: string) => ids.nodes.take(name);
	const tenantId = (name: string) => ids.tenants.take(name);
	const ports = new Ports(
		intent,
		memory.ports,
		revision,
		tenantId,
		health.ports,
	);
	usage.openPorts(intent, ports);
	const numbers = [...intent.nodes.keys()].map(nodeId);
	cache.begin(`${[...intent.nodes.keys()]} ${numbers}`);
	const lanes = new LaneTable(intent, ports, cache);
	const paths = new PathTable(lanes, ids.pairs, nodeId);
	const shared = exitsShared(intent, places, rules);
	problems.add(...shared.problems);
	const ruleSets = new RuleSets(memory.ruleSets, revision);
	for (const [name, list] of rules) {
		const at = places.get(name);
		if (at) {
			ruleSets.addTenant(
				{ places: at, tenantId: tenantId(name), rules: list },
				{ intent, chains, paths, usage, shared, problems },
				(policy) => ids.policies.take(policy),
			);
		}
	}
	const states = draftNodes({
		intent,
		revision,
		tenantId,
		nodeId,
		paths,
		ports,
		ruleSets,
	});
	return {
		plan: {
			revision,
			states,
			paths: paths.summaries(),
			problems: problems.list(),
		},
		memory: {
			revision,
			tenants: ids.tenants.finish(),
			nodes: ids.nodes.finish(),
			policies: ids.policies.finish(),
			pairs: ids.pairs.finish(),
			ports: ports.finish(),
			ruleSets: ruleSets.finish(),
			attached: usage.attached,
		},
	};
}

/** Rules of each tenant that has users, those that are looked at first in front. */
function compileRules(
	intent: Intent,
	places: ReadonlyMap<string, Places>,
	compiler: RuleCompiler,
	problems: Problems,
): Map<string, TenantRule[]> {
	const rules = new Map<string, TenantRule[]>();
	for (const [tenant, policies] of policiesByTenant(intent)) {
		const at = places.get(tenant);
		if (!at) {
			continue;
		}
		if (at.access.length === 0 && policies.length > 0) {
			problems.add({
				severity: "warning",
				tenant,
				message: `tenant ${tenant}: no node has an access interface of it, its policies wait (declare an interface with role: access and tenant: ${tenant})`,
			});
		}
		const list: TenantRule[] = [];
		for (const policy of at.access.length === 0 ? [] : policies) {
			try {
				list.push(...compiler.compile(policy, at, intent));
			} catch (error) {
				problems.policy(policy.name, "error", messageOf(error));
			}
		}
		rules.set(tenant, list);
		if (at.problem && list.some((rule) => rule.action.kind === "chain")) {
			problems.add(at.problem);
		}
	}
	return rules;
}

function functionsUsed(
	rules: ReadonlyMap<string, readonly TenantRule[]>,
): Map<string, Set<string>> {
	const uses = new Map<string, Set<string>>();
	for (const [tenant, list] of rules) {
		for (const { action } of list) {
			for (const name of action.kind === "chain" ? action.functions : []) {
				uses.set(name, (uses.get(name) ?? new Set()).add(tenant));
			}
		}
	}
	return uses;
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
