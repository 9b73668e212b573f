/**
 * From one plan to the next without losing a packet, in three states of every
 * node: make (both plans' paths, old rules), switch (both, new rules), break
 * (new only, once the old paths are drained). Every node must hold a stage
 * before any gets the next one.
 */
import { REVISIONS_PER_PLAN } from "./plan.js";
import { byNumber } from "./sealing.js";
import type {
	HopState,
	InstanceState,
	LinkState,
	NodeState,
	PathState,
} from "./state.js";

export type States = ReadonlyMap<string, NodeState>;

export interface Transition {
	readonly make: States;
	readonly switch: States;
	/** Nodes that are no longer declared are here once more, empty. */
	readonly break: States;
}

/**
 * @param old what the nodes run now: a plan, or the switch stage of a change
 *   whose old paths still drain
 * @param drained SPIs that drained since: not carried along any more
 */
export function transition(
	old: States,
	next: States,
	drained: ReadonlySet<number> = new Set(),
): Transition {
	const gone = without(drained, backupsIn(old, drained));
	const exposed = exposedIn(old, next);
	const revision = Math.max(...[...next.values()].map((one) => one.revision));
	const names = [...new Set([...old.keys(), ...next.keys()])].sort();
	const stages = names.map((name) => {
		const last = old.get(name);
		const to = next.get(name) ?? (last && emptied(last, revision));
		if (!to) throw new Error("transition: node is in neither plan");
		return {
			name,
			...stagesOf(last ?? emptied(to, revision), to, gone, exposed),
		};
	});
	const stage = (which: "make" | "switch" | "break") =>
		new Map(stages.map((one) => [one.name, one[which]]));
	return {
		make: stage("make"),
		switch: stage("switch"),
		break: stage("break"),
	};
}

/**
 * What nodes need once some of the old paths are drained: the plan, and what the
 * others go through. Ends in the plan itself, when none is left.
 */
export function remainder(
	old: States,
	next: States,
	drained: ReadonlySet<number>,
): States {
	const plan = transition(old, next, drained).break;
	const gone = without(drained, backupsIn(old, drained));
	return new Map(
		[...plan].map(([name, to]) => {
			const from = old.get(name);
			const left = (from?.paths ?? []).filter(
				(path) => !path.active && !gone.has(path.spi),
			);
			if (!from || left.length === 0) {
				return [name, to];
			}
			return [name, stagesOf(onlyFor(left, from), to, gone, NONE).switch];
		}),
	);
}

/** Paths that stand in for others that are not drained: idle until one fails. */
function backupsIn(states: States, drained: ReadonlySet<number>): Set<number> {
	const backups = new Set<number>();
	for (const { paths } of states.values()) {
		for (const { spi, active, backup } of paths) {
			if (backup === undefined || (!active && drained.has(spi))) continue;
			/* Of its two directions, the even one is the way back. */
			backups.add(backup).add(backup % 2 === 0 ? backup - 1 : backup + 1);
		}
	}
	return backups;
}

function without(
	all: ReadonlySet<number>,
	some: ReadonlySet<number>,
): Set<number> {
	return new Set([...all].filter((one) => !some.has(one)));
}

/** Of a node's state: these paths, and what they use. */
function onlyFor(paths: readonly PathState[], from: NodeState): NodeState {
	const hops = paths.flatMap((path) => path.hops);
	const ports = new Set(hops.map((hop) => hop && "port" in hop && hop.port));
	const nodes = new Set(hops.map((hop) => hop?.kind === "node" && hop.nodeId));
	const tenants = new Set(paths.map((path) => path.tenantId));
	const spis = new Set(paths.map((path) => path.spi));
	return {
		...withLinks(
			from,
			linksOf(from).filter((link) => spis.has(link.spi)),
		),
		tenants: from.tenants.filter((one) => tenants.has(one.id)),
		peers: from.peers.filter((one) => nodes.has(one.nodeId)),
		instances: from.instances
			.map((one) => ({
				...one,
				ports: one.ports.filter((port) => ports.has(port.id)),
			}))
			.filter((one) => one.ports.length > 0),
		paths,
	};
}

const NONE: ReadonlySet<number> = new Set();

const NOTHING = {
	tenants: [],
	interfaces: [],
	peers: [],
	instances: [],
	paths: [],
	ruleSets: [],
} as const;

/** A node that serves nothing. */
export function emptied(old: NodeState, revision: number): NodeState {
	return { ...withLinks(old, []), ...NOTHING, revision };
}

function stagesOf(
	from: NodeState,
	to: NodeState,
	drained: ReadonlySet<number>,
	exposed: ReadonlySet<number>,
): { make: NodeState; switch: NodeState; break: NodeState } {
	const kept = from.paths.filter(
		(path) => path.active || !drained.has(path.spi),
	);
	const spis = new Set(kept.map((path) => path.spi));
	/* A path keeps its keys for as long as it is there. */
	const links = merge(
		linksOf(from).filter((link) => spis.has(link.spi)),
		linksOf(to),
		(link) => `${link.spi} ${link.si}`,
	);
	const both = {
		...withLinks(to, byNumber(links)),
		peers: merge(from.peers, to.peers, (peer) => peer.nodeId),
		instances: mergeInstances(from.instances, to.instances),
	};
	const idOf = (tenant: { readonly id: number }) => tenant.id;
	const nameOf = (one: { readonly name: string; readonly vlan: number }) =>
		`${one.name} ${one.vlan}`;
	return {
		make: {
			...both,
			revision: to.revision - REVISIONS_PER_PLAN + 1,
			tenants: merge(to.tenants, from.tenants, idOf),
			/* Users' interfaces come with their rules: nobody passes unjudged. */
			interfaces: merge(
				to.interfaces.filter((one) => one.role !== "access"),
				from.interfaces,
				nameOf,
			),
			paths: bySpi(merge(kept, to.paths, (path) => path.spi)),
			ruleSets: from.ruleSets,
		},
		switch: {
			...both,
			revision: to.revision - REVISIONS_PER_PLAN + 2,
			tenants: merge(from.tenants, to.tenants, idOf),
			interfaces: merge(
				from.interfaces.filter((one) => one.role !== "access"),
				to.interfaces,
				nameOf,
			),
			paths: bySpi(
				merge(
					kept.map((path) => retired(path, exposed.has(path.spi))),
					to.paths,
					(path) => path.spi,
				),
			),
		},
		break: to,
	};
}

/** As it is once no new flow may take it; it stays the same object where it is so. */
function retired(path: PathState, isExposed: boolean): PathState {
	if (!path.active && (path.closed || !isExposed)) return path;
	return { ...path, active: false, ...(isExposed && { closed: true }) };
}

/**
 * Old paths that show packets to some wire, of tenants that seal something from now
 * on: what is to be sealed may be on them.
 */
function exposedIn(old: States, next: States): Set<number> {
	const hops = (states: States, which: (hop: HopState) => boolean) =>
		[...states.values()].flatMap(({ paths }) =>
			paths.filter((path) => path.hops.some((hop) => hop && which(hop))),
		);
	const sealing = new Set(
		hops(next, ({ sealed }) => sealed !== undefined).map((one) => one.tenantId),
	);
	if (sealing.size === 0) return new Set();
	return new Set(
		hops(old, ({ kind, sealed }) => kind === "node" && sealed !== "esp")
			.filter(({ tenantId }) => sealing.has(tenantId))
			.map(({ spi }) => spi),
	);
}

function linksOf({ links = [] }: NodeState): readonly LinkState[] {
	return links;
}

function withLinks(
	{ links: _, ...state }: NodeState,
	links: readonly LinkState[],
): NodeState {
	return links.length === 0 ? state : { ...state, links };
}

/** Both lists; where a key is in both, the second list's entry. */
function merge<T, K>(
	first: readonly T[],
	second: readonly T[],
	key: (entry: T) => K,
): T[] {
	const over = new Set(second.map(key));
	return [...first.filter((entry) => !over.has(key(entry))), ...second];
}

function mergeInstances(
	old: readonly InstanceState[],
	next: readonly InstanceState[],
): InstanceState[] {
	const nameOf = (one: InstanceState) => `${one.function}/${one.instance}`;
	const before = new Map(old.map((one) => [nameOf(one), one]));
	const merged = next.map((one) => ({
		...one,
		ports: merge(
			before.get(nameOf(one))?.ports ?? [],
			one.ports,
			(port) => port.id,
		).sort((a, b) => a.id - b.id),
	}));
	return merge(old, merged, nameOf);
}

function bySpi(paths: PathState[]): PathState[] {
	return paths.sort((a, b) => a.spi - b.spi);
}
