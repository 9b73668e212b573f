/** The way a packet would go, by the newest states; and where to find its flow. */
import { Fault } from "../controller/fault.js";
import { parseAddress, parsePrefix } from "../model/address.js";
import {
	ICMP,
	ICMPV6,
	PORT_PROTOCOLS,
	protocolName,
} from "../model/language/index.js";
import type { Packet } from "../model/packet.js";
import { addressHex, contains, prefixRange } from "../plan/prefix.js";
import type { FlowFilter } from "../plan/protocol.js";
import type { States } from "../plan/transition.js";
import { type Start, type TraceStep, trace } from "../plan/twin/trace.js";
import type {
	TraceRequest,
	TraceResponse,
	TraceStep as TraceStepView,
} from "./schemas.js";

const PROTOCOLS = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58, sctp: 132 } as const;
const ECHO_REQUEST = { 1: 8, 58: 128 } as Record<number, number>;

/** Throws Fault invalid_request, not_found, or forbidden for another tenant's packet. */
export function tracePacket(
	states: States,
	wanted: TraceRequest,
	confinedTo: string | undefined,
): TraceResponse {
	if (confinedTo !== undefined && confinedTo !== wanted.tenant) {
		throw new Fault(
			"forbidden",
			`trace: the token is of tenant ${confinedTo} (trace its packets, or ask an operator)`,
		);
	}
	const packet = packetOf(wanted);
	const steps = trace(states, startOf(states, packet, wanted.node));
	return { ...outcomeOf(steps), steps: steps.map(viewOf) };
}

/** The flow in the direction of the packet and in the other. */
export function flowFiltersOf(
	wanted: TraceRequest,
	limit: number,
): [FlowFilter, FlowFilter] {
	const { tenant, src, dst, sport, dport } = wanted;
	const common = { tenant, proto: protocolOf(wanted), limit };
	const ports = (from?: number, to?: number) => ({
		...(from !== undefined && { sport: from }),
		...(to !== undefined && { dport: to }),
	});
	return [
		{ ...common, src, dst, ...ports(sport, dport) },
		{ ...common, src: dst, dst: src, ...ports(dport, sport) },
	];
}

/** Of a query: addresses or prefixes. */
export interface Addresses {
	readonly src?: string | undefined;
	readonly dst?: string | undefined;
}

/** Nodes would find nothing for what is no address: throws Fault invalid_request. */
export function checkFlowFilter(noun: string, { src, dst }: Addresses): void {
	for (const [field, text] of Object.entries({ src, dst })) {
		if (text === undefined) continue;
		const known = text.includes("/") ? parsePrefix(text) : parseAddress(text);
		if (!known) {
			const cause = `\`${text}\` is no address or prefix`;
			throw new Fault("invalid_request", `${noun}: ${field} ${cause}`, [
				{ message: cause, pointer: `/${field}` },
			]);
		}
	}
}

function protocolOf({ proto }: TraceRequest): number {
	return typeof proto === "number" ? proto : PROTOCOLS[proto];
}

function packetOf(wanted: TraceRequest): Packet {
	const family = (field: "src" | "dst") => {
		const address = parseAddress(wanted[field]);
		if (address) return address.family;
		throw invalid(field, `\`${wanted[field]}\` is no IPv4 or IPv6 address`);
	};
	const of = family("src");
	if (of !== family("dst")) {
		throw invalid("dst", `is not of the family of ${wanted.src}`);
	}
	const { tenant, src, dst, sport = 0, dport = 0, dscp = 0 } = wanted;
	const proto = protocolOf(wanted);
	checkFields(wanted, proto, of);
	const icmpType = wanted.icmpType ?? ECHO_REQUEST[proto] ?? 0;
	return {
		tenant,
		family: of,
		src,
		dst,
		proto,
		sport,
		dport,
		dscp,
		icmpType,
	};
}

/** Fields that no such packet has would be asked about in vain. */
function checkFields(wanted: TraceRequest, proto: number, family: 4 | 6): void {
	const name = protocolName(proto);
	for (const field of ["sport", "dport"] as const)
		if (wanted[field] !== undefined && !PORT_PROTOCOLS.includes(proto))
			throw invalid(field, `does not go with ${name}: it has no ports`);
	const isIcmp = proto === ICMP || proto === ICMPV6;
	if (wanted.icmpType !== undefined && !isIcmp)
		throw invalid("icmpType", `does not go with ${name}`);
	if (isIcmp && (proto === ICMP) !== (family === 4))
		throw invalid(
			"proto",
			`${name} does not go with IPv${family}: that has ${family === 4 ? "icmp" : "icmpv6"}`,
		);
}

function invalid(field: string, cause: string): Fault {
	return new Fault("invalid_request", `trace: ${field} ${cause}`, [
		{ message: cause, pointer: `/${field}` },
	]);
}

/**
 * Where it arrives: what comes from outside the tenant's subnets and goes there,
 * at an exit interface; all else at the tenant's first access interface.
 */
function startOf(
	states: States,
	packet: Packet,
	node: string | undefined,
): Start {
	const { tenant: name } = packet;
	const all = [...states.values()];
	const tenant = all.flatMap((s) => s.tenants).find((t) => t.name === name);
	const ranges = tenant?.subnets.map(prefixRange) ?? [];
	const isOwn = (address: string) => contains(ranges, addressHex(address));
	const role = !isOwn(packet.src) && isOwn(packet.dst) ? "exit" : "access";
	const candidates = all
		.filter((state) => (node ?? state.node) === state.node)
		.flatMap((state) =>
			state.interfaces
				.filter((one) => one.role === role)
				.filter(({ tenantId }) => tenantId === tenant?.id || tenantId === 0)
				.map((one) => ({
					node: state.node,
					interface: one.name,
					vlan: one.vlan,
				})),
		);
	const [first] = candidates;
	if (tenant && first) return { ...first, packet };
	const where = node === undefined ? "no node has" : `node ${node} lacks`;
	throw new Fault(
		"not_found",
		`trace: ${where} an ${role} interface for tenant ${name} (see \`chainmail get nodes\`)`,
	);
}

function outcomeOf(
	steps: readonly TraceStep[],
): Pick<TraceResponse, "verdict" | "reason" | "policy"> {
	const rule = steps.find((step) => step.kind === "rule");
	const policy = rule && { policy: rule.policy };
	const drop = steps.find((step) => step.kind === "drop");
	if (drop) return { verdict: "drop", reason: drop.reason, ...policy };
	const isChained = steps.some((step) => step.kind === "exit");
	return { verdict: isChained ? "exit" : "pass", ...policy };
}

function viewOf(step: TraceStep): TraceStepView {
	const { node, kind, why } = step;
	/* Only the packet itself can show what a function does with it. */
	const decided =
		kind === "port" ? `${why}; goes on if ${step.function} lets it pass` : why;
	return {
		node,
		stage: kind,
		detail: decided,
		...("spi" in step && typeof step.spi === "number" && { spi: step.spi }),
		...("si" in step && { si: step.si }),
		...("function" in step && {
			function: step.function,
			instance: step.instance,
		}),
		...("to" in step && { to: step.to }),
		...("sealed" in step && { sealed: step.sealed }),
		...("interface" in step && { interface: step.interface }),
		...("policy" in step && { policy: step.policy }),
	};
}
