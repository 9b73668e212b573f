/** Intent and what nodes report, put together as the API shows them. */
import type { Fleet } from "../controller/fleet.js";
import { partsOf } from "../model/flow-class.js";
import type {
	FlowClassDocument,
	FunctionDocument,
	NodeDocument,
	PolicyDocument,
	TenantDocument,
} from "../model/intent.js";
import type { EfStatus } from "../plan/ef.js";
import type { Counter, NodeCounters } from "../plan/protocol.js";
import { type NodeState, type PathState, SI_START } from "../plan/state.js";
import type { States } from "../plan/transition.js";
import type { Context } from "./context.js";
import type {
	CountersView,
	FlowClassView,
	FunctionView,
	HopView,
	InstanceHealth,
	NodeLive,
	NodeView,
	PathView,
	PolicyView,
	TenantView,
} from "./schemas.js";

/** Counters by node, as far as nodes answered. */
export type CountersByNode = ReadonlyMap<string, NodeCounters>;

/** By node, SPI and SI: there may be thousands of hops. */
type HopCounters = ReadonlyMap<string, Counter>;
const hopKey = (node: string, spi: number, si: number) =>
	`${node} ${spi} ${si}`;

function hopCounters(counters: CountersByNode): HopCounters {
	return new Map(
		[...counters].flatMap(([node, { hops }]) =>
			hops.map((hop) => [hopKey(node, hop.spi, hop.si), hop] as const),
		),
	);
}

/** Names that states only carry as numbers. */
interface Names {
	readonly node: ReadonlyMap<number, string>;
	readonly tenant: ReadonlyMap<number, string>;
}

function namesOf(states: States): Names {
	const node = new Map<number, string>();
	const tenant = new Map<number, string>();
	for (const state of states.values()) {
		node.set(state.nodeId, state.node);
		for (const { id, name } of state.tenants) tenant.set(id, name);
	}
	return { node, tenant };
}

/** Every path, each direction for itself, in the order of SPIs. */
export function pathViews(
	states: States,
	counters: CountersByNode = new Map(),
): PathView[] {
	const names = namesOf(states);
	const counted = hopCounters(counters);
	const parts = new Map<number, { state: NodeState; path: PathState }[]>();
	for (const state of states.values()) {
		for (const path of state.paths) {
			const known = parts.get(path.spi);
			if (known) known.push({ state, path });
			else parts.set(path.spi, [{ state, path }]);
		}
	}
	return [...parts.values()]
		.map((ofPath) => pathView(ofPath, names, counted))
		.filter((view) => view !== undefined)
		.sort((a, b) => a.spi - b.spi);
}

function pathView(
	parts: readonly { state: NodeState; path: PathState }[],
	names: Names,
	counters: HopCounters,
): PathView | undefined {
	const path = parts[0]?.path;
	if (!path) return undefined;
	const hops: HopView[] = [];
	for (let index = 0; index <= path.length; index++) {
		const here = parts.flatMap((part) => {
			const hop = part.path.hops[index];
			return hop
				? [hopView(part.state, path.spi, index, hop, names, counters)]
				: [];
		});
		// A packet is first brought to the node that serves the index.
		hops.push(...here.filter((hop) => hop.kind === "node"));
		hops.push(...here.filter((hop) => hop.kind !== "node"));
	}
	const backup = parts.find((part) => part.path.backup)?.path.backup;
	return {
		spi: path.spi,
		reverseSpi: path.reverseSpi,
		direction: path.direction,
		policy: path.policy,
		...(path.flowClass !== undefined && { flowClass: path.flowClass }),
		tenant: names.tenant.get(path.tenantId) ?? "",
		state: parts.every((part) => part.path.active) ? "active" : "draining",
		length: path.length,
		mtu: path.mtu,
		...(backup !== undefined && { backup }),
		hops,
	};
}

function hopView(
	state: NodeState,
	spi: number,
	index: number,
	hop: NonNullable<PathState["hops"][number]>,
	names: Names,
	counters: HopCounters,
): HopView {
	const si = SI_START - index;
	const counted = counters.get(hopKey(state.node, spi, si));
	const owner = "port" in hop ? ownerOf(state, hop.port) : undefined;
	return {
		si,
		node: state.node,
		kind: hop.kind,
		...(owner && { function: owner.function, instance: owner.instance }),
		...(hop.kind === "node" && { to: names.node.get(hop.nodeId) ?? "" }),
		...(hop.sealed && { sealed: hop.sealed }),
		...(counted && { packets: counted.packets, bytes: counted.bytes }),
	};
}

function ownerOf(state: NodeState, port: number) {
	return state.instances.find((instance) =>
		instance.ports.some((candidate) => candidate.id === port),
	);
}

/** An instance's health as its node last reported it. */
export function healthOf(
	fleet: Fleet,
	node: string,
	functionName: string,
	instance: string,
): InstanceHealth {
	const where = { function: functionName, instance, node };
	const report = fleet.report(node);
	const found = report?.status?.instances.find(
		(item) => item.function === functionName && item.instance === instance,
	);
	if (report?.connected && found) return { ...found, ...where };
	return {
		...where,
		state: "unknown",
		reason: report?.connected ? "not reported yet" : "node is not connected",
		restarts: found?.restarts ?? 0,
	};
}

/** What is left on an instance that gets no new flows. */
function drainingOf(
	{ reconciler, delivery, fleet }: Context,
	node: string,
	functionName: string,
	instance: string,
): Pick<InstanceHealth, "draining"> {
	if (!reconciler.leaving.has(`${functionName}/${instance}`)) return {};
	const state = delivery.desired.get(node);
	const ports = new Set(
		state?.instances
			.filter(
				(one) => one.function === functionName && one.instance === instance,
			)
			.flatMap((one) => one.ports.map(({ id }) => id)),
	);
	const through = (state?.paths ?? []).filter(({ hops }) =>
		hops.some((hop) => hop && "port" in hop && ports.has(hop.port)),
	);
	const pairs = new Set(
		through.map(({ spi, reverseSpi }) => Math.min(spi, reverseSpi)),
	);
	const idle = fleet
		.report(node)
		?.status?.idlePaths.filter(({ spi }) =>
			through.some((path) => path.spi === spi),
		)
		.map(({ idleMs }) => idleMs);
	return {
		draining: {
			paths: pairs.size,
			...(idle && idle.length > 0 && { idleMs: Math.round(Math.min(...idle)) }),
		},
	};
}

export function nodeLive(context: Context, node: string): NodeLive {
	const report = context.fleet.report(node);
	const desired = context.delivery.desired.get(node)?.revision ?? 0;
	if (!report) return { connected: false, revision: 0, desired };
	const { connected, revision, version, sinceMs, checks, checkedMs } = report;
	const ef = report.status?.ef;
	/* A node that refused acknowledges what it was given back: still worth telling. */
	const refusal = context.reconciler.refusals.get(node);
	const lastError =
		report.lastError ?? (refusal && `refused the newest change: ${refusal}`);
	return {
		connected,
		revision,
		desired,
		version,
		sinceMs,
		...(lastError !== undefined && { lastError }),
		checks: [...checks],
		checkedMs,
		...(ef && { ef: efLive(ef) }),
	};
}

function efLive({ silent, ...ef }: EfStatus): NonNullable<NodeLive["ef"]> {
	return { ...ef, ...(silent && { silent: [...silent] }) };
}

export function tenantView(
	{ intent }: Context["reconciler"],
	paths: readonly PathView[],
	{ kind, name, spec }: TenantDocument,
): TenantView {
	const policies = [...intent.policies.values()].filter(
		(policy) => (policy.spec.tenant ?? name) === name,
	).length;
	const own = paths.filter((path) => path.tenant === name).length;
	return { kind, name, spec, status: { policies, paths: own } };
}

export function nodeView(
	context: Context,
	{ kind, name, spec }: NodeDocument,
): NodeView {
	const state = context.delivery.desired.get(name);
	const instances = (state?.instances ?? []).map((item) =>
		healthOf(context.fleet, name, item.function, item.instance),
	);
	const status = { ...nodeLive(context, name), instances };
	return { kind, name, spec, status };
}

export function functionView(
	context: Context,
	paths: readonly PathView[],
	{ kind, name, spec }: FunctionDocument,
): FunctionView {
	const instances = spec.instances.map((item) => ({
		...healthOf(context.fleet, item.node, name, item.name),
		...drainingOf(context, item.node, name, item.name),
	}));
	const through = paths
		.filter((path) => path.hops.some((hop) => hop.function === name))
		.map((path) => path.spi);
	return { kind, name, spec, status: { instances, paths: through } };
}

export function flowClassView(
	{ intent }: Context["reconciler"],
	{ kind, name, spec }: FlowClassDocument,
): FlowClassView {
	const policies = [...intent.policies.values()]
		.filter((policy) =>
			partsOf(policy, intent).some(({ only }) => only?.name === name),
		)
		.map((policy) => policy.name);
	return { kind, name, spec, status: { policies } };
}

/** Views of policies, each with its paths. */
export function policyViews(
	paths: readonly PathView[],
	documents: readonly PolicyDocument[],
): PolicyView[] {
	const byPolicy = new Map<string, PathView[]>();
	for (const path of paths) {
		const own = byPolicy.get(path.policy);
		if (own) own.push(path);
		else byPolicy.set(path.policy, [path]);
	}
	return documents.map(({ kind, name, spec }) => ({
		kind,
		name,
		spec,
		status: { paths: byPolicy.get(name) ?? [] },
	}));
}

/** A node's counters with names; confined to a tenant: only hops of its paths. */
export function countersView(
	node: string,
	counters: NodeCounters,
	paths: readonly PathView[],
	tenant?: string,
): CountersView {
	const bySpi = new Map(paths.map((path) => [path.spi, path]));
	const hops = counters.hops.flatMap((counted) => {
		const path = bySpi.get(counted.spi);
		if (tenant !== undefined && path?.tenant !== tenant) return [];
		const hop = path?.hops.find((h) => h.si === counted.si && h.node === node);
		return [
			{
				...counted,
				policy: path?.policy ?? "",
				tenant: path?.tenant ?? "",
				...(hop?.function !== undefined && { function: hop.function }),
			},
		];
	});
	const isConfined = tenant !== undefined;
	return {
		node,
		hops,
		ports: isConfined
			? []
			: counters.ports.map((port) => ({
					...port,
					toFunction: { ...port.toFunction },
					fromFunction: { ...port.fromFunction },
				})),
		verdicts: isConfined ? [] : counters.verdicts.map((one) => ({ ...one })),
		...(!isConfined && { states: { ...counters.states } }),
		drops: isConfined ? [] : counters.drops.map((drop) => ({ ...drop })),
		...(counters.ef &&
			!isConfined && {
				ef: {
					out: { ...counters.ef.out },
					in: { ...counters.ef.in },
				},
			}),
	};
}
