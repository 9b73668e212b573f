/**
 * Random states of three nodes: the same interfaces and instances on each, and
 * paths of tenants across them, forward and back.
 */
import type { Random } from "../../../src/plan/random.js";
import type {
	HopState,
	InstanceState,
	NodeState,
	PathState,
	RuleSetState,
	TenantState,
} from "../../../src/plan/state.js";
import type { States } from "../../../src/plan/transition.js";
import { changedRuleSet, isNamed, randomRuleSet } from "./rules.js";
import { PARTIES, type Party } from "./tenants.js";

export const NODES = [1, 2, 3] as const;
export const nameOf = (nodeId: number) => `n${nodeId}`;
export const underlayOf = (nodeId: number) => `192.0.2.${nodeId}`;
const MTU = 1400;

/** Ports of every node by kind; a NAT's port belongs to one pair of paths. */
export const KINDS = {
	1: "routed",
	2: "routed",
	3: "bridged",
	4: "tap",
	5: "nat",
	6: "nat",
} as const;
export const PORT_IDS = [1, 2, 3, 4, 5, 6] as const;
export type PortId = (typeof PORT_IDS)[number];

interface Stop {
	readonly node: number;
	readonly port: PortId;
}

/** A pair of paths: where its packets enter, what they meet, where they leave. */
export interface Route {
	readonly spi: number;
	readonly party: Party;
	readonly side: RuleSetState["side"];
	readonly entry: number;
	readonly exit: number;
	readonly stops: readonly Stop[];
}

export interface RandomNetwork {
	readonly routes: readonly Route[];
	/** SPIs whose paths have gone: the next change gives them anew. */
	readonly free: readonly number[];
	readonly states: States;
}

export function randomNetwork(random: Random): RandomNetwork {
	const free = NODES.flatMap((node) =>
		([5, 6] as const).map((port) => ({ node, port })),
	);
	const routes: Route[] = [];
	let spi = 1 + random.below(1000);
	for (const party of PARTIES)
		for (const entry of NODES)
			for (const side of ["access", "exit"] as const) {
				/* Green's users are behind red's route: none connects to them. */
				if (side === "exit" && party.name === "green") continue;
				for (let i = 1 + random.below(3); i > 0; i--) {
					spi += 2 + 2 * random.below(3);
					const stops = randomStops(random, free);
					const exit = random.pick(NODES);
					routes.push({ spi, party, side, entry, exit, stops });
				}
			}
	const tenants = PARTIES.map(
		({ id, name, subnets }): TenantState => ({
			id,
			name,
			subnets,
			default: random.chance(30) ? "drop" : "forward",
		}),
	);
	const exitOwner = new Map(
		NODES.map((node) => [node, random.chance(20) ? 3 : 0]),
	);
	const states = NODES.map((nodeId): NodeState => {
		const ruleSets = PARTIES.flatMap((party) =>
			(["access", "exit"] as const)
				.filter((side) => side === "access" || random.chance(80))
				.map((side) => {
					const spis = spisOf(random, routes, party, side, nodeId);
					return randomRuleSet(random, party, side, 1, spis);
				}),
		);
		return {
			node: nameOf(nodeId),
			revision: 1,
			nodeId,
			underlay: underlayOf(nodeId),
			mtu: 1500,
			tenants,
			interfaces: [
				...PARTIES.map(({ id, access }) => ({
					...access,
					role: "access" as const,
					tenantId: id,
				})),
				{
					name: "net",
					vlan: 0,
					role: "exit",
					tenantId: exitOwner.get(nodeId) ?? 0,
				},
				{ name: "up", vlan: 0, role: "underlay", tenantId: 0 },
			],
			peers: NODES.filter((one) => one !== nodeId).map((one) => ({
				nodeId: one,
				name: nameOf(one),
				underlay: underlayOf(one),
			})),
			instances: instancesOf(nodeId, routes),
			paths: routes.flatMap((route) => pathsOn(nodeId, route)),
			ruleSets,
		};
	});
	return { routes, free: [], states: byName(states) };
}

/**
 * The same network after a change: rules lead elsewhere, some routes are gone,
 * and the SPIs of those that had gone before are those of other tenants' routes.
 */
export function changedNetwork(
	random: Random,
	{ routes, free, states }: RandomNetwork,
): RandomNetwork {
	const gone = new Set(Array.from({ length: 4 }, () => random.pick(routes)));
	const left = [
		...routes.filter((route) => !gone.has(route)),
		...free.map((spi): Route => {
			const party = random.pick(PARTIES);
			return {
				spi,
				party,
				side: party.name === "green" ? "access" : sideOf(random),
				entry: random.pick(NODES),
				exit: random.pick(NODES),
				stops: randomStops(random, []),
			};
		}),
	];
	const changed = [...states.values()].map(
		(state): NodeState => ({
			...state,
			revision: state.revision + 1,
			instances: instancesOf(state.nodeId, left),
			paths: left.flatMap((route) => pathsOn(state.nodeId, route)),
			ruleSets: state.ruleSets.map((set) => {
				const party = PARTIES.find(({ id }) => id === set.tenantId);
				if (!party || (random.chance(30) && !isNamed(set, free))) return set;
				const spis = spisOf(random, left, party, set.side, state.nodeId);
				return changedRuleSet(random, set, spis, free);
			}),
		}),
	);
	const freed = [...gone].map(({ spi }) => spi);
	return { routes: left, free: freed, states: byName(changed) };
}

const sideOf = (random: Random) => random.pick(["access", "exit"] as const);

const byName = (states: readonly NodeState[]): States =>
	new Map(states.map((state) => [state.node, state]));

/** Now and then a path that nobody has. */
function spisOf(
	random: Random,
	routes: readonly Route[],
	party: Party,
	side: RuleSetState["side"],
	entry: number,
): number[] {
	const own = routes.filter(
		(route) =>
			route.party === party && route.side === side && route.entry === entry,
	);
	return [...own.map(({ spi }) => spi), ...(random.chance(10) ? [9_999] : [])];
}

function randomStops(random: Random, free: Stop[]): Stop[] {
	const stops: Stop[] = [];
	const local = random.chance(40) ? random.pick(NODES) : undefined;
	for (let i = random.below(5); i > 0; i--) {
		const nat = random.chance(8) ? free.pop() : undefined;
		const node = local ?? random.pick(NODES);
		const stop = nat ?? { node, port: random.pick([1, 2, 3, 4] as const) };
		if (!stops.some((one) => one.node === stop.node && one.port === stop.port))
			stops.push(stop);
	}
	return stops;
}

function instancesOf(
	nodeId: number,
	routes: readonly Route[],
): InstanceState[] {
	return PORT_IDS.map((id): InstanceState => {
		const kind = KINDS[id];
		const bound = routes.find(({ stops }) =>
			stops.some((stop) => stop.node === nodeId && stop.port === id),
		);
		const attach = kind === "nat" ? "routed" : kind;
		return {
			function: kind,
			instance: `${nameOf(nodeId)}-${id}`,
			attach,
			runtime: "process",
			spec: { attach, runtime: "process", instances: [] },
			ports: [{ id, ...(kind === "nat" && bound && { boundSpi: bound.spi }) }],
		};
	});
}

/** Both directions, as far as the node takes part in them. */
export function pathsOn(nodeId: number, route: Route): PathState[] {
	const { spi, party, entry, exit, stops } = route;
	const common = {
		tenantId: party.id,
		policy: `route-${spi}`,
		length: stops.length,
		mtu: MTU,
		active: true,
	};
	const forward = hopsOn(nodeId, entry, exit, stops);
	const reverse = hopsOn(nodeId, exit, entry, stops.toReversed());
	return [
		{
			...common,
			spi,
			reverseSpi: spi + 1,
			direction: "forward" as const,
			hops: forward,
		},
		{
			...common,
			spi: spi + 1,
			reverseSpi: spi,
			direction: "reverse" as const,
			hops: reverse,
		},
	].filter(({ hops }) => hops.some((hop) => hop !== null));
}

function hopsOn(
	nodeId: number,
	entry: number,
	exit: number,
	stops: readonly Stop[],
): (HopState | null)[] {
	const places = [...stops.map(({ node }) => node), exit];
	return places.map((place, i): HopState | null => {
		const stop = stops[i];
		if (place !== nodeId) {
			const holds = (i === 0 ? entry : places[i - 1]) === nodeId;
			return holds ? { kind: "node", nodeId: place } : null;
		}
		if (!stop) return { kind: "exit" };
		const kind = KINDS[stop.port] === "tap" ? "tap" : "port";
		return { kind, port: stop.port };
	});
}
