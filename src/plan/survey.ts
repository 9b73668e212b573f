/**
 * What becomes of a packet on a path, from each node it can begin at: the part
 * of the invariants that needs no rules. Remembered for as long as the path and
 * what is around it stay the same objects: a replan surveys what it changed.
 */
import { equal } from "./equal.js";
import { MAX_FUNCTIONS } from "./path.js";
import { type NodeState, type PathState, SI_START } from "./state.js";
import { type Decision, type Network, type NodeIndex, walk } from "./walk.js";

export interface Fault {
	readonly invariant: 1 | 2 | 3 | 5;
	readonly hop?: number;
	readonly node?: string;
	readonly cause: string;
}

/** The whole way from one node. */
export interface Way {
	/** Functions met, in order. */
	readonly met: readonly string[];
	/** Node where it leaves. */
	readonly exit: string;
	/** Node where replies leave. */
	readonly home?: string;
	/** A function on it changes addresses. */
	readonly rewritten: boolean;
}

export interface Survey {
	readonly faults: readonly Fault[];
	/** By the node it begins at; absent where it does not arrive. */
	readonly ways: ReadonlyMap<string, Way>;
}

/** What is known of the path of an SPI. */
export type Surveyed = (spi: number) => Survey;

interface Remembered {
	readonly around: string;
	readonly parts: readonly (PathState | undefined)[];
	readonly survey: Survey;
}

const remembered = new WeakMap<PathState, Remembered>();

/** Everything a walk looks at beside the path itself, as text. */
export function surroundings(states: Iterable<NodeState>): string {
	const nodes = [...states].map(
		({ node, nodeId, underlay, peers, instances }) => [
			node,
			nodeId,
			underlay,
			peers,
			instances.map((one) => [
				one.function,
				one.instance,
				one.attach,
				one.spec.rewrites,
				one.ports,
			]),
		],
	);
	return JSON.stringify(nodes);
}

export function survey(network: Network, spi: number, around: string): Survey {
	const holders = network.holders.get(spi) ?? [];
	const first = holders[0]?.paths.get(spi);
	if (!first) {
		return { faults: [], ways: new Map() };
	}
	const back = network.holders.get(first.reverseSpi) ?? [];
	const parts = [
		...holders.map((one) => one.paths.get(spi)),
		...back.map((one) => one.paths.get(first.reverseSpi)),
	];
	const known = remembered.get(first);
	if (
		known?.around === around &&
		known.parts.length === parts.length &&
		known.parts.every((part, index) => part === parts[index])
	) {
		return known.survey;
	}
	const made = make(network, first, holders);
	remembered.set(first, { around, parts, survey: made });
	return made;
}

function make(
	network: Network,
	first: PathState,
	holders: readonly NodeIndex[],
): Survey {
	const { spi } = first;
	const faults: Fault[] = [];
	const ways = new Map<string, Way>();
	for (const { state, paths } of holders) {
		const path = paths.get(spi) ?? first;
		const { node } = state;
		if (!equal(identityOf(path), identityOf(first))) {
			faults.push({
				invariant: 1,
				node,
				cause: `node ${node} and node ${holders[0]?.state.node} hold different paths under this SPI`,
			});
		}
		if (path.hops.length !== path.length + 1 || path.length > MAX_FUNCTIONS) {
			faults.push({
				invariant: 2,
				node,
				cause: `node ${node} has ${path.hops.length} entries for ${path.length} functions`,
			});
		}
	}
	const starts = holders.filter((one) => begins(one.paths.get(spi)));
	if (starts.length === 0) {
		faults.push({
			invariant: 1,
			hop: 0,
			cause: `no node serves service index ${SI_START}`,
		});
	}
	for (const start of starts) {
		const way = wayFrom(network, first, start.state.node, faults);
		if (way) {
			ways.set(start.state.node, way);
		}
	}
	return { faults, ways };
}

/** Packets may enter the path at a node that holds it so: unless it opens seals first. */
export function begins(path: PathState | undefined): boolean {
	const first = path?.hops[0];
	return first?.kind === "node" || (first != null && !first.sealed);
}

/** What all nodes hold alike; a backup is known where packets enter. */
function identityOf({ backup: _, relies: __, ...path }: PathState): PathState {
	return { ...path, hops: [] };
}

function wayFrom(
	network: Network,
	path: PathState,
	start: string,
	faults: Fault[],
): Way | undefined {
	const { decisions, stuck } = walk(network, path.spi, start);
	for (const [at, { hop, node, index }] of decisions.entries()) {
		const next = decisions[at + 1];
		if (hop.kind === "node" && hop.sealed && next && !next.hop.sealed) {
			const cause = `node ${node} seals it, node ${next.node} takes it as it comes`;
			faults.push({ invariant: 3, hop: index, node: next.node, cause });
		}
	}
	if (stuck) {
		const ordinary = stuck.loop || stuck.reason === "ttl_zero" ? 2 : 1;
		const leaks = ["unknown_peer", "unsealed"].includes(stuck.reason);
		faults.push({
			invariant: leaks ? 3 : ordinary,
			hop: stuck.index,
			node: stuck.node,
			cause: stuck.message,
		});
		return undefined;
	}
	const last = decisions.at(-1);
	if (!last || last.index !== path.length) {
		faults.push({
			invariant: 1,
			hop: last?.index ?? 0,
			node: last?.node ?? start,
			cause: `node ${last?.node} lets it out before its last function`,
		});
		return undefined;
	}
	const home = homeOf(network, path, last.node, decisions, faults);
	const instances = decisions.flatMap(({ instance }) => instance ?? []);
	return {
		met: instances.map((one) => one.function),
		exit: last.node,
		...(home === undefined ? {} : { home }),
		rewritten: instances.some(
			({ spec, attach }) => spec.rewrites === true && attach !== "tap",
		),
	};
}

/** Follows a reply from where the path ends. */
function homeOf(
	network: Network,
	{ spi, reverseSpi, direction, tenantId, policy }: PathState,
	exit: string,
	decisions: readonly Decision[],
	faults: Fault[],
): string | undefined {
	const fault = (cause: string, hop?: number) => {
		const at = hop === undefined ? {} : { hop };
		faults.push({ invariant: 5, ...at, cause });
	};
	const back = network.nodes.get(exit)?.paths.get(reverseSpi);
	if (
		back?.reverseSpi !== spi ||
		back.direction === direction ||
		back.tenantId !== tenantId ||
		back.policy !== policy
	) {
		fault(`node ${exit}, where it ends, has no path ${reverseSpi} back`);
		return undefined;
	}
	const returned = walk(network, reverseSpi, exit);
	if (returned.stuck) {
		const { message, index } = returned.stuck;
		fault(`path ${reverseSpi} back: ${message}`, index);
		return undefined;
	}
	const portsOf = (steps: readonly Decision[]) =>
		steps.flatMap(({ node, port }) => (port ? [`${node} ${port.id}`] : []));
	const there = portsOf(decisions);
	const home = portsOf(returned.decisions).toReversed();
	const wrong = there.findIndex((port, index) => port !== home[index]);
	if (wrong >= 0 || there.length !== home.length) {
		fault("the way back meets other ports", Math.max(wrong, 0));
	}
	return returned.decisions.at(-1)?.node;
}
