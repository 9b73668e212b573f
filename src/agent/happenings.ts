/** Events of the kernel in words, with names instead of numbers. */
import {
	DROP_REASON_NAMES,
	DropReason,
	EVENT_KIND_NAMES,
	type Event,
	EventKind,
} from "../kernel/layout.gen.js";
import type { NodeEvent } from "../plan/protocol.js";
import type { NodeState } from "../plan/state.js";
import { endpointsOf } from "./pick.js";

/** Undefined where there is nothing worth a word. */
export function happeningOf(
	{ kind, reason, spi, tenant, port, t }: Event,
	state: NodeState,
): Omit<NodeEvent, "timeMs"> | undefined {
	/* Every function's kernel says such things when it starts: counted only. */
	if (kind === EventKind.DROP && reason === DropReason.PORT_LINK_LOCAL)
		return undefined;
	const { src, dst, sport, dport } = endpointsOf(t);
	const flow = `${endpoint(src, sport)} > ${endpoint(dst, dport)} proto ${t.proto}`;
	const why =
		kind === EventKind.DROP
			? `${DROP_REASON_NAMES[reason] ?? `reason ${reason}`}: `
			: "";
	const name = state.tenants.find((one) => one.id === tenant)?.name;
	return {
		kind: EVENT_KIND_NAMES[kind] ?? "event",
		message: `${why}${flow}${port ? `, by ${ownerOf(port, state)}` : ""}${spi ? `, path ${spi}` : ""}`,
		...(name !== undefined && { tenant: name }),
	};
}

function ownerOf(port: number, { instances }: NodeState): string {
	const owner = instances.find((one) =>
		one.ports.some(({ id }) => id === port),
	);
	return owner ? `${owner.function}/${owner.instance}` : `port ${port}`;
}

function endpoint(address: string, port: number): string {
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
