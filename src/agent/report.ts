/** What the agent tells of its node: counters, flows, idle paths. */
import {
	DROP_REASON_NAMES,
	SpecialSpi,
	VERDICT_COUNTER_NAMES,
	VerdictCounter,
} from "../kernel/layout.gen.js";
import type {
	Counter,
	FlowFilter,
	FlowRecord,
	NodeCounters,
	NodeStatus,
} from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import type { Maps } from "./dataplane.js";
import { endpointsOf, pick, sinceMs, tenantNames, tupleTest } from "./pick.js";
import type { PathTables } from "./tables/paths.js";

const NONE: Counter = { packets: 0, bytes: 0 };

export function nodeCounters(
	maps: Maps,
	paths: PathTables,
	state: NodeState,
	states: NodeCounters["states"],
): NodeCounters {
	const portCounter = (port: number, side: number, from: number) =>
		maps.portCounters.get(port * 4 + side * 2 + from) ?? NONE;
	return {
		hops: state.paths.flatMap((path) =>
			paths.counters(path).map((hop) => ({ spi: path.spi, ...hop })),
		),
		ports: state.instances.flatMap((one) =>
			one.ports.flatMap((port) =>
				(["inside", "outside"] as const)
					.slice(0, one.attach === "tap" ? 1 : 2)
					.map((side, i) => ({
						function: one.function,
						instance: one.instance,
						port: port.id,
						side,
						toFunction: portCounter(port.id, i, 0),
						fromFunction: portCounter(port.id, i, 1),
					})),
			),
		),
		verdicts: state.instances.flatMap((one) =>
			one.ports.flatMap(({ id }) =>
				maps.verdictCounters
					.range(id * VerdictCounter.KINDS, VerdictCounter.KINDS)
					.map(({ count }, i) => ({
						function: one.function,
						instance: one.instance,
						port: id,
						what: VERDICT_COUNTER_NAMES[i] ?? "",
						count,
					})),
			),
		),
		states,
		drops: [...maps.drops.entries()]
			.filter(
				([reason]) => reason > 0 && DROP_REASON_NAMES[reason] !== undefined,
			)
			.map(([reason, counter]) => ({
				reason: DROP_REASON_NAMES[reason] ?? "",
				...counter,
			})),
	};
}

/** Flows that fit every given field of the filter, up to its limit. */
export function flowRecords(
	maps: Pick<Maps, "flows">,
	state: NodeState,
	filter: FlowFilter,
): Promise<FlowRecord[]> {
	const nowNs = Number(process.hrtime.bigint());
	const tenants = tenantNames(state.tenants, filter.tenant);
	const policies = new Map(
		state.ruleSets.flatMap((set) =>
			set.rules.map((rule): [number, string] => [rule.policyId, rule.policy]),
		),
	);
	const fits = tupleTest(filter);
	return pick(
		maps.flows.entries(),
		({ t }, flow) => {
			if (!tenants.fits(flow.tenant) || !fits(t)) return undefined;
			return {
				kind: flow.generation === 0 ? "learned" : "classified",
				tenant: tenants.nameOf(flow.tenant),
				...endpointsOf(t),
				proto: t.proto,
				...wayOf(flow.spi),
				policy: policies.get(flow.policy) ?? "",
				packets: flow.packets,
				bytes: flow.bytes,
				ageMs: sinceMs(nowNs, flow.firstSeenNs),
				idleMs: sinceMs(nowNs, flow.lastSeenNs),
			};
		},
		filter.limit,
	);
}

function wayOf(spi: number): Pick<FlowRecord, "action" | "spi"> {
	if (spi === SpecialSpi.PASS) return { action: "pass" };
	if (spi === SpecialSpi.DROP) return { action: "drop" };
	return { action: "chain", spi };
}

/** Since when each draining path has carried nothing. */
export class IdlePaths {
	readonly #seen = new Map<number, { packets: number; sinceMs: number }>();

	/** Call it at least once a second: what happened between is not seen sooner. */
	look(
		paths: PathTables,
		state: NodeState,
		nowMs: number,
	): NodeStatus["idlePaths"] {
		const draining = state.paths.filter((path) => !path.active);
		const wanted = new Set(draining.map((path) => path.spi));
		for (const spi of this.#seen.keys())
			if (!wanted.has(spi)) this.#seen.delete(spi);
		return draining.map((path) => {
			const packets = paths
				.counters(path)
				.reduce((sum, hop) => sum + hop.packets, 0);
			const before = this.#seen.get(path.spi);
			const sinceMs = before?.packets === packets ? before.sinceMs : nowMs;
			this.#seen.set(path.spi, { packets, sinceMs });
			return { spi: path.spi, idleMs: nowMs - sinceMs };
		});
	}
}
