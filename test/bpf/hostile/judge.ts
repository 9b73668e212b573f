/**
 * What may become of a packet, however wrong: one named reason to drop it, or a
 * delivery of something well-formed, or nothing at all (left to the stack).
 */
import {
	type DecodedPacket,
	decodePacket,
	type Layer,
	layerOf,
} from "../../../src/wire/decode.js";
import { IpProto } from "../../../src/wire/ipv4.js";
import type { Outcome } from "../world.js";

const IPV4_HEADER = 20;
/** The packet goes on as an ICMP error about itself. */
const ANSWERED: readonly string[] = ["too_big", "expired"];

/**
 * Undefined where the outcome is right, else what is wrong with it. `consumed`:
 * it was a probe; `transit`: between two nodes nobody looks inside.
 */
export function faultOf(
	{ verdict, drops, data }: Outcome,
	{ consumed, transit }: { consumed: boolean; transit: boolean },
): string | undefined {
	switch (verdict) {
		case "drop":
			if (drops.length === 0 && consumed) return undefined;
			return drops.length === 1 && isNamed(drops[0])
				? undefined
				: `dropped for ${drops.length} reasons: ${drops.join(", ")}`;
		case "pass":
			return drops.length === 0
				? undefined
				: `passes and counts ${drops.join(", ")}`;
		case "redirect":
			if (drops.length > 0 && !ANSWERED.includes(drops.join()))
				return `is redirected and counts ${drops.join(", ")}`;
			return malformation(data, transit);
		default:
			return `ends in ${verdict}`;
	}
}

function isNamed(reason: string | undefined): boolean {
	return reason !== undefined && /^[a-z_]+$/.test(reason) && reason !== "none";
}

/** Of a frame that goes to a function, an exit or another node. */
function malformation(frame: Buffer, transit: boolean): string | undefined {
	const packet = decodePacket(frame);
	if (transit || !layerOf(packet, "nsh"))
		return malformedIp(packet, packet.layers[1]);
	const at = packet.layers.findIndex(({ kind }) => kind === "nsh");
	return malformedIp(packet, packet.layers[at + 1]);
}

function malformedIp(
	{ bytes, layers, stopped }: DecodedPacket,
	ip: Layer | undefined,
): string | undefined {
	if (stopped?.message.startsWith("ipv6") && isOpaque(bytes, stopped.offset))
		return undefined;
	if (ip?.kind !== "ipv4" && ip?.kind !== "ipv6")
		return `carries no IP: ${stopped?.message ?? ip?.kind}`;
	const claimed =
		ip.kind === "ipv4" ? ip.header.totalLength : 40 + ip.header.payloadLength;
	if (ip.kind === "ipv4" && claimed < IPV4_HEADER)
		return `IP of ${claimed} bytes`;
	if (ip.offset + claimed > bytes.length)
		return `IP of ${claimed} bytes in a frame of ${bytes.length}`;
	const transport = layers[layers.indexOf(ip) + 1];
	if (
		transport ||
		!stopped ||
		(ip.kind === "ipv6" && isOpaque(bytes, ip.offset))
	)
		return undefined;
	return /^(tcp|udp|icmp)/.test(stopped.message)
		? `transport: ${stopped.message}`
		: undefined;
}

/**
 * The programs read IPv6's options, routing and fragment headers. AH, mobility
 * and what is behind them are a transport protocol like any other.
 */
function isOpaque(bytes: Buffer, at: number): boolean {
	let next = bytes[at + 6];
	for (let from = at + 40; from < bytes.length; ) {
		if (next === IpProto.ah || next === IpProto.mobility) return true;
		if (next === undefined || !READ.includes(next)) return false;
		const length = next === IpProto.fragment ? 0 : (bytes[from + 1] ?? 0);
		next = bytes[from];
		from += 8 * (length + 1);
	}
	return false;
}

const READ: readonly number[] = [
	IpProto.hopByHop,
	IpProto.routing,
	IpProto.fragment,
	IpProto.destination,
];
