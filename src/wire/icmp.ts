/** ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443): one header, two number spaces. */
import { type Decoded, field, Reader } from "./bytes.js";

export const IcmpType = {
	echoReply: 0,
	unreachable: 3,
	sourceQuench: 4,
	redirect: 5,
	echoRequest: 8,
	timeExceeded: 11,
	parameterProblem: 12,
} as const;

/** Code of IcmpType.unreachable; the second word holds the MTU. */
export const FRAGMENTATION_NEEDED = 4;

export const Icmpv6Type = {
	unreachable: 1,
	packetTooBig: 2,
	timeExceeded: 3,
	parameterProblem: 4,
	echoRequest: 128,
	echoReply: 129,
	routerSolicitation: 133,
	routerAdvertisement: 134,
	neighbourSolicitation: 135,
	neighbourAdvertisement: 136,
} as const;

export interface Icmp {
	readonly type: number;
	readonly code: number;
	readonly checksum: number;
	/** Second word: identifier and sequence, MTU, pointer, or unused. */
	readonly rest: number;
}

export function decodeIcmp(bytes: Uint8Array, offset = 0): Decoded<Icmp> {
	const reader = new Reader("icmp", bytes, offset);
	return reader.done({
		type: reader.u8(),
		code: reader.u8(),
		checksum: reader.u16(),
		rest: reader.u32(),
	});
}

/** Writes every field as given. */
export function encodeIcmp(header: Icmp): Buffer {
	const out = Buffer.alloc(8);
	out.writeUInt8(field("type", header.type, 8), 0);
	out.writeUInt8(field("code", header.code, 8), 1);
	out.writeUInt16BE(field("checksum", header.checksum, 16), 2);
	out.writeUInt32BE(field("rest", header.rest, 32), 4);
	return out;
}

const V4_ERRORS: readonly number[] = [
	IcmpType.unreachable,
	IcmpType.sourceQuench,
	IcmpType.redirect,
	IcmpType.timeExceeded,
	IcmpType.parameterProblem,
];

/** Whether the body holds the start of the packet that caused the message. */
export function carriesPacket(family: 4 | 6, header: Icmp): boolean {
	return family === 4
		? V4_ERRORS.includes(header.type)
		: header.type >= Icmpv6Type.unreachable &&
				header.type <= Icmpv6Type.parameterProblem;
}

/** Identifier and sequence number of an echo request or reply. */
export function echoOf(
	family: 4 | 6,
	header: Icmp,
): { readonly id: number; readonly seq: number } | undefined {
	const types: readonly number[] =
		family === 4
			? [IcmpType.echoRequest, IcmpType.echoReply]
			: [Icmpv6Type.echoRequest, Icmpv6Type.echoReply];
	if (!types.includes(header.type)) return undefined;
	return { id: header.rest >>> 16, seq: header.rest & 0xffff };
}
