/** What the service state list says: which function vouched for which flow. */
import {
	type FlowKey,
	type Rewrite,
	type Service,
	type State,
	Verdict,
} from "../kernel/layout.gen.js";
import type { StateFilter, StateRecord } from "../plan/protocol.js";
import type { InstanceState, NodeState } from "../plan/state.js";
import { PORT_SIDES, STATE_VERDICTS } from "../plan/verdicts.js";
import { endpointsOf, pick, sinceMs, tenantNames, tupleTest } from "./pick.js";
import type { Table } from "./tables/sync.js";

const TCP = 6;

export interface StateMaps {
	readonly states: Pick<Table<FlowKey, State>, "entries">;
	readonly rewrites: Pick<Table<FlowKey, Rewrite>, "get">;
	readonly services: Pick<Table<number, Service>, "get">;
}

/** States of flows that fit every given field of the filter, up to its limit. */
export function stateRecords(
	maps: StateMaps,
	state: NodeState,
	filter: StateFilter,
	nowNs = Number(process.hrtime.bigint()),
): Promise<StateRecord[]> {
	const owners = ownersOf(state, filter, maps.services);
	const tenants = tenantNames(state.tenants, filter.tenant);
	const policies = new Map(state.paths.map(({ spi, policy }) => [spi, policy]));
	const fits = tupleTest(filter);
	return pick(
		maps.states.entries(),
		(key, s) => {
			const at = placeOf(key.scope);
			const owner = at && owners.get(at.port);
			if (!at || !owner || !tenants.fits(s.tenant) || !fits(key.t))
				return undefined;
			const verdict = verdictOf(key, s, owner.service, nowNs);
			if ((filter.verdict ?? verdict) !== verdict) return undefined;
			const rewritten =
				verdict === "rewrite" && rewrittenOf(maps.rewrites.get(key));
			return {
				function: owner.instance.function,
				instance: owner.instance.instance,
				...at,
				tenant: tenants.nameOf(s.tenant),
				policy: policies.get(s.spi) ?? "",
				spi: s.spi,
				...endpointsOf(key.t),
				proto: key.t.proto,
				verdict,
				...(rewritten && { rewritten }),
				ageMs: sinceMs(nowNs, s.firstSeenNs),
				idleMs: sinceMs(nowNs, s.lastSeenNs),
				...(verdict !== "pending" &&
					s.vouchedNs > 0 && { vouchedMs: sinceMs(nowNs, s.vouchedNs) }),
				delivered: s.delivered,
				returned: s.returned,
				skipped: s.skipped,
				skippedBytes: s.skippedBytes,
			};
		},
		filter.limit,
	);
}

/** PORT_SCOPE in bpf/maps.h; undefined: not what a port's state has. */
function placeOf(
	scope: number,
): Pick<StateRecord, "port" | "side"> | undefined {
	if (scope < 0x8000_0000) return undefined;
	const side = PORT_SIDES[scope & 1] ?? "inside";
	return { port: (scope & 0x7fff_ffff) >>> 1, side };
}

interface Owner {
	readonly instance: InstanceState;
	readonly service: Service | undefined;
}

/** By port id, those alone that the filter asks for. */
function ownersOf(
	state: NodeState,
	filter: StateFilter,
	services: StateMaps["services"],
): ReadonlyMap<number, Owner> {
	return new Map(
		state.instances
			.filter(
				(one) =>
					(filter.function ?? one.function) === one.function &&
					(filter.instance ?? one.instance) === one.instance,
			)
			.flatMap((instance) =>
				instance.ports.map(({ id }) => [
					id,
					{ instance, service: services.get(id) },
				]),
			),
	);
}

/** As the proxy will take it at the flow's next packet. */
function verdictOf(
	{ t }: FlowKey,
	s: State,
	service: Service | undefined,
	nowNs: number,
): StateRecord["verdict"] {
	const verdict = STATE_VERDICTS[s.verdict] ?? "pending";
	if (!service || s.generation !== service.generation) return "pending";
	if (s.verdict === Verdict.DENY)
		return nowNs < s.untilNs ? verdict : "pending";
	const isLearned =
		s.verdict === Verdict.ALLOW || s.verdict === Verdict.REWRITE;
	const idleMs = t.proto === TCP ? service.idleTcpMs : service.idleUdpMs;
	return isLearned && sinceMs(nowNs, s.vouchedNs) > idleMs
		? "pending"
		: verdict;
}

/** Undefined where the list has lost it: the flow's next packet is judged anew. */
function rewrittenOf(
	rewrite: Rewrite | undefined,
): StateRecord["rewritten"] | undefined {
	if (!rewrite) return undefined;
	const { t, setDscp, hopLimit } = rewrite;
	return {
		...endpointsOf(t),
		...(setDscp > 0 && { dscp: t.dscp }),
		...(hopLimit > 0 && { hopLimit }),
	};
}
