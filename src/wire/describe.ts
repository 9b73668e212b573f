/** One line about a packet, in tcpdump's spirit. */
import { DecodeError } from "./bytes.js";
import type { DecodedPacket, Headers, Layer } from "./decode.js";
import {
	echoOf,
	FRAGMENTATION_NEEDED,
	type Icmp,
	IcmpType,
	Icmpv6Type,
} from "./icmp.js";
import { ipv6Fragment } from "./ipv6.js";
import { type Tcp, TcpFlag, tcpMss } from "./tcp.js";

/** For example `IP 10.0.0.1.80 > 10.0.0.2.1024: TCP [S.], seq 1, …, length 0`. */
export function describe(packet: DecodedPacket): string {
	const parts = packet.layers.map((layer, i) =>
		describeLayer(layer, packet.layers[i + 1]),
	);
	const { payload, payloadType } = packet;
	const tail =
		payloadType === "data" || payloadType === "packet"
			? `length ${payload.length}`
			: `${payloadType}, length ${payload.length}`;
	const text = parts.filter((part) => part !== "").join(": ");
	return [
		text === "" ? tail : `${text}, ${tail}`,
		packet.embedded && ` (${describe(packet.embedded)})`,
		packet.truncated && " [truncated]",
		packet.stopped && ` [stopped: ${packet.stopped.message}]`,
	]
		.filter((part) => typeof part === "string")
		.join("");
}

function describeLayer(layer: Layer, inside: Layer | undefined): string {
	switch (layer.kind) {
		case "eth":
			return layer.header.vlans.map(({ id }) => `vlan ${id}`).join(": ");
		case "ipv4":
		case "ipv6":
			return describeIp(layer, inside);
		case "icmp":
			return describeIcmp(4, layer.header);
		case "icmpv6":
			return describeIcmp(6, layer.header);
		case "tcp":
			return describeTcp(layer.header);
		case "udp":
			return "UDP";
		case "vxlan":
			return `${layer.header.nextProtocolBit ? "VXLAN-GPE" : "VXLAN"} vni ${layer.header.vni}`;
		case "nsh":
			return describeNsh(layer.header);
		case "gre":
			return `GRE${optional("key", layer.header.key)}${optional("seq", layer.header.sequence)}`;
	}
}

function optional(name: string, value: number | undefined): string {
	return value === undefined ? "" : `, ${name} ${value}`;
}

function describeIp(
	layer: Extract<Layer, { kind: "ipv4" | "ipv6" }>,
	inside: Layer | undefined,
): string {
	const { src, dst } = layer.header;
	const hasPorts = inside?.kind === "tcp" || inside?.kind === "udp";
	const from = hasPorts ? `${src}.${inside.header.sport}` : src;
	const to = hasPorts ? `${dst}.${inside.header.dport}` : dst;
	const name = layer.kind === "ipv4" ? "IP" : "IP6";
	return `${name} ${from} > ${to}${describeFragment(layer)}`;
}

function describeFragment(
	layer: Extract<Layer, { kind: "ipv4" | "ipv6" }>,
): string {
	const fragment =
		layer.kind === "ipv6"
			? ipv6Fragment(layer.header)
			: {
					id: layer.header.id,
					offset: layer.header.fragmentOffset,
					more: layer.header.moreFragments,
				};
	if (!fragment || (fragment.offset === 0 && !fragment.more)) return "";
	const { id, offset, more } = fragment;
	return ` (frag ${id}@${offset}${more ? "+" : ""})`;
}

const ICMP_NAMES = new Map<number, string>([
	[IcmpType.echoReply, "echo reply"],
	[IcmpType.unreachable, "unreachable"],
	[IcmpType.redirect, "redirect"],
	[IcmpType.echoRequest, "echo request"],
	[IcmpType.timeExceeded, "time exceeded"],
	[IcmpType.parameterProblem, "parameter problem"],
]);

const ICMPV6_NAMES = new Map<number, string>([
	[Icmpv6Type.unreachable, "unreachable"],
	[Icmpv6Type.packetTooBig, "packet too big"],
	[Icmpv6Type.timeExceeded, "time exceeded"],
	[Icmpv6Type.parameterProblem, "parameter problem"],
	[Icmpv6Type.echoRequest, "echo request"],
	[Icmpv6Type.echoReply, "echo reply"],
	[Icmpv6Type.routerSolicitation, "router solicitation"],
	[Icmpv6Type.routerAdvertisement, "router advertisement"],
	[Icmpv6Type.neighbourSolicitation, "neighbour solicitation"],
	[Icmpv6Type.neighbourAdvertisement, "neighbour advertisement"],
]);

function describeIcmp(family: 4 | 6, header: Icmp): string {
	const { type, code, rest } = header;
	const protocol = family === 4 ? "ICMP" : "ICMP6";
	const echo = echoOf(family, header);
	const names = family === 4 ? ICMP_NAMES : ICMPV6_NAMES;
	const name = `${protocol} ${names.get(type) ?? `type ${type}`}`;
	if (echo) return `${name}, id ${echo.id}, seq ${echo.seq}`;
	if (family === 6 && type === Icmpv6Type.packetTooBig) {
		return `${name}, mtu ${rest}`;
	}
	if (
		family === 4 &&
		type === IcmpType.unreachable &&
		code === FRAGMENTATION_NEEDED
	) {
		return `${name}, fragmentation needed, mtu ${rest & 0xffff}`;
	}
	return code === 0 ? name : `${name}, code ${code}`;
}

const FLAG_LETTERS: readonly (readonly [number, string])[] = [
	[TcpFlag.syn, "S"],
	[TcpFlag.fin, "F"],
	[TcpFlag.rst, "R"],
	[TcpFlag.psh, "P"],
	[TcpFlag.urg, "U"],
	[TcpFlag.ece, "E"],
	[TcpFlag.cwr, "W"],
	[TcpFlag.ae, "e"],
	[TcpFlag.ack, "."],
];

function describeTcp(header: Tcp): string {
	const flags = FLAG_LETTERS.filter(([bit]) => header.flags & bit)
		.map(([, letter]) => letter)
		.join("");
	const ack = header.flags & TcpFlag.ack ? `, ack ${header.ack}` : "";
	return (
		`TCP [${flags || "none"}], seq ${header.seq}${ack}, win ${header.window}` +
		optional("mss", readableMss(header))
	);
}

/** Malformed options are no reason not to print the rest. */
function readableMss(header: Tcp): number | undefined {
	try {
		return tcpMss(header);
	} catch (error) {
		if (error instanceof DecodeError) return undefined;
		throw error;
	}
}

function describeNsh(header: Headers["nsh"]): string {
	const { spi, si, ttl, mdType, oam, metadata } = header;
	const tlvs =
		metadata.kind === "tlvs" ? ` (${metadata.tlvs.length} tlvs)` : "";
	return `NSH spi ${spi} si ${si} ttl ${ttl} md ${mdType}${tlvs}${oam ? " oam" : ""}`;
}
