/** Picks from large tables of the kernel, without holding up the agent's other work. */
import { setImmediate } from "node:timers/promises";
import type { Addr, Tuple } from "../kernel/layout.gen.js";
import { contains, prefixRange } from "../plan/prefix.js";
import type { FlowFilter } from "../plan/protocol.js";
import type { TenantState } from "../plan/state.js";
import { addressFromHex, addressHex } from "../wire/address.js";
import { hexOf } from "./tables/encode.js";

/** Longest that other work waits, and how often the clock is looked at. */
const TURN_MS = 10;
const LOOK_EVERY = 256;

/** To be called in a long loop: a promise where other work is to have its turn. */
export function turns(lookEvery = LOOK_EVERY): () => Promise<void> | undefined {
	let seen = 0;
	let sinceMs = performance.now();
	return () => {
		if (++seen % lookEvery > 0 || performance.now() - sinceMs < TURN_MS)
			return undefined;
		return setImmediate().then(() => {
			sinceMs = performance.now();
		});
	};
}

/**
 * What `recordOf` makes of entries, without those it passes over: stops at the
 * limit, and keeps nothing else.
 */
export async function pick<K, V, R>(
	entries: Iterable<[K, V]>,
	recordOf: (key: K, value: V) => R | undefined,
	limit: number,
): Promise<R[]> {
	const found: R[] = [];
	const turn = turns();
	for (const [key, value] of entries) {
		const record = recordOf(key, value);
		if (record !== undefined && found.push(record) >= limit) break;
		const rest = turn();
		if (rest) await rest;
	}
	return found;
}

/** Whether a tuple fits every given field of a filter. */
export function tupleTest({
	src,
	dst,
	proto,
	sport,
	dport,
}: FlowFilter): (t: Tuple) => boolean {
	const is = (wanted: number | undefined, value: number) =>
		wanted === undefined || wanted === value;
	const from = addressTest(src);
	const to = addressTest(dst);
	return (t) =>
		is(proto, t.proto) &&
		is(sport, t.sport) &&
		is(dport, t.dport) &&
		from(t.src) &&
		to(t.dst);
}

/** Whether an address is the wanted one, or in the wanted prefix. */
function addressTest(wanted: string | undefined): (address: Addr) => boolean {
	if (wanted === undefined) return () => true;
	const single = wanted.includes("/") ? undefined : addressHex(wanted);
	const range =
		single === undefined
			? prefixRange(wanted)
			: { first: single, last: single };
	return (address) => contains([range], hexOf(address));
}

/** Names of tenants by their ids, and whether an id is the wanted tenant's. */
export function tenantNames(
	tenants: readonly TenantState[],
	wanted: string | undefined,
): { nameOf: (id: number) => string; fits: (id: number) => boolean } {
	const names = new Map(tenants.map(({ id, name }) => [id, name]));
	const nameOf = (id: number) => names.get(id) ?? "";
	return {
		nameOf,
		fits: (id) => wanted === undefined || nameOf(id) === wanted,
	};
}

/** Addresses and ports as users read them. */
export function endpointsOf(t: Tuple): {
	src: string;
	dst: string;
	sport: number;
	dport: number;
} {
	return {
		src: addressFromHex(hexOf(t.src)),
		dst: addressFromHex(hexOf(t.dst)),
		sport: t.sport,
		dport: t.dport,
	};
}

/** Milliseconds since a time of the kernel's, both in ns of CLOCK_MONOTONIC. */
export function sinceMs(nowNs: number, ns: number): number {
	return Math.max(0, Math.round((nowNs - ns) / 1e6));
}
