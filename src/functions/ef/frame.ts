/**
 * What is in front of the IP packet in an EF's frames: Ethernet, or Ethernet,
 * IPv4, UDP, VXLAN-GPE and the NSH of the packet's path, which come out as they
 * came but for lengths, checksums and the next protocol.
 */
import type { Memory } from "../../kernel/memory.js";
import { EtherType } from "../../wire/ethernet.js";
import { IpProto } from "../../wire/ipv4.js";
import { NshNext } from "../../wire/nsh.js";
import { VXLAN_GPE_PORT, VxlanNext } from "../../wire/vxlan.js";
import { fold } from "./ip.js";
import { isMd2, MD2 } from "./md2.js";
import { Refusal } from "./refusal.js";

export const ETHERNET_BYTES = 14;
/** Where NSH is: behind IPv4 without options, UDP and VXLAN-GPE. */
export const NSH_AT = ETHERNET_BYTES + 20 + 8 + 8;
/** Where a packet is behind an NSH of MD type 1. */
export const MD1_PACKET_AT = NSH_AT + 24;

/** Where it is in a signed frame. */
export const MD2_PACKET_AT = NSH_AT + MD2.bytes;

/** Packets without NSH belong to no path. */
export const NO_PATH = 0;

/** From the frame's first byte, and what is to be found there. */
const AT = {
	etherType: 12,
	version: 14,
	totalLength: 16,
	fragment: 20,
	protocol: 23,
	checksum: 24,
	port: 36,
	udpLength: 38,
	udpChecksum: 40,
	vxlan: 42,
	nsh: NSH_AT,
	mdType: NSH_AT + 2,
	next: NSH_AT + 3,
	path: NSH_AT + 4,
} as const;
const NO_OPTIONS = 0x45;
const FRAGMENT = 0x3fff;
const UDP_AT = 34;
/** Version 0, O bit off and next protocol NSH of VXLAN-GPE's first word. */
const VXLAN = { mask: 0x3d0000ff, value: 0x0c000000 | VxlanNext.nsh };
/** Version, O bit, length; MD type. */
const NSH = { mask: 0xe03f, mdMask: 0xf };
const MD1 = { base: 6, type: 1 };

/**
 * Where the IP packet of a frame starts, or why there is none: it tells bare
 * packets, and those behind an NSH of MD type 1 or 2, apart. A UDP datagram to
 * the port of VXLAN-GPE is a tunnel's, never a user's.
 */
export function packetOffset(
	view: DataView,
	at: number,
	bytes: number,
): number {
	if (bytes <= ETHERNET_BYTES) return Refusal.notIp;
	const type = view.getUint16(at + AT.etherType);
	const version = view.getUint8(at + AT.version) >> 4;
	if (type !== etherType(version)) return Refusal.notIp;
	if (!isTunnel(view, at, bytes)) return ETHERNET_BYTES;
	if (bytes <= MD1_PACKET_AT || !carriesNsh(view, at, bytes))
		return Refusal.malformed;
	const offset = isMd1(view, at) ? MD1_PACKET_AT : MD2_PACKET_AT;
	if (
		offset === MD2_PACKET_AT &&
		(bytes <= MD2_PACKET_AT || !isMd2(view, at + NSH_AT))
	)
		return Refusal.malformed;
	const inner = view.getUint8(at + offset) >> 4;
	return view.getUint8(at + AT.next) === nextProtocol(inner)
		? offset
		: Refusal.notIp;
}

function isMd1(view: DataView, at: number): boolean {
	return (
		(view.getUint16(at + AT.nsh) & NSH.mask) === MD1.base &&
		(view.getUint8(at + AT.mdType) & NSH.mdMask) === MD1.type
	);
}

function isTunnel(view: DataView, at: number, bytes: number): boolean {
	return (
		bytes >= UDP_AT + 4 &&
		view.getUint8(at + AT.version) === NO_OPTIONS &&
		view.getUint8(at + AT.protocol) === IpProto.udp &&
		view.getUint16(at + AT.port) === VXLAN_GPE_PORT
	);
}

/** Whether a frame of at least MD1_PACKET_AT bytes is VXLAN-GPE with NSH in it. */
export function isTunnelOfNsh(
	view: DataView,
	at: number,
	bytes: number,
): boolean {
	return (
		view.getUint16(at + AT.etherType) === EtherType.ipv4 &&
		isTunnel(view, at, bytes) &&
		carriesNsh(view, at, bytes)
	);
}

/** All of it is there, in one piece, and NSH is in it. */
function carriesNsh(view: DataView, at: number, bytes: number): boolean {
	const length = view.getUint16(at + AT.totalLength);
	return (
		length === bytes - ETHERNET_BYTES &&
		view.getUint16(at + AT.udpLength) === length - 20 &&
		(view.getUint16(at + AT.fragment) & FRAGMENT) === 0 &&
		((view.getUint32(at + AT.vxlan) & VXLAN.mask) | 0) === VXLAN.value
	);
}

/** Service path header of a frame whose packet starts at `offset`. */
export function pathOf(view: DataView, at: number, offset: number): number {
	return offset === ETHERNET_BYTES ? NO_PATH : view.getUint32(at + AT.path);
}

/** The Ethernet addresses that frames of one side leave with. */
export class FrameHeader {
	readonly #words: readonly [number, number, number];

	/** MAC addresses, 6 bytes each. */
	constructor(dst: Uint8Array, src: Uint8Array) {
		const bytes = Buffer.concat([dst, src]);
		this.#words = [
			bytes.readUInt32BE(0),
			bytes.readUInt32BE(4),
			bytes.readUInt32BE(8),
		];
	}

	/**
	 * Writes the first `offset` bytes of a frame of `bytes`, as they were at `at`
	 * but for its addresses and lengths.
	 */
	write(
		from: Memory,
		at: number,
		offset: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): void {
		const { view } = to;
		const [first, second, third] = this.#words;
		view.setUint32(toAt, first);
		view.setUint32(toAt + 4, second);
		view.setUint32(toAt + 8, third);
		const last = offset - 2;
		for (let i = AT.etherType; i < last; i += 4)
			view.setUint32(toAt + i, from.view.getUint32(at + i));
		view.setUint16(toAt + last, from.view.getUint16(at + last));
		if (offset !== ETHERNET_BYTES)
			setLength(view, toAt, bytes - ETHERNET_BYTES);
	}
}

/** Names the IP version of the packet at `offset`. */
export function setFamily(
	view: DataView,
	at: number,
	offset: number,
	family: number,
): void {
	if (offset === ETHERNET_BYTES)
		view.setUint16(at + AT.etherType, etherType(family));
	else view.setUint8(at + AT.next, nextProtocol(family));
}

/** Lengths of IPv4 and UDP; a checksum that was wrong stays so (RFC 1624). */
function setLength(view: DataView, at: number, length: number): void {
	const before = view.getUint16(at + AT.totalLength);
	const sum = ~view.getUint16(at + AT.checksum) & 0xffff;
	view.setUint16(at + AT.totalLength, length);
	view.setUint16(
		at + AT.checksum,
		~fold(sum + (~before & 0xffff) + length) & 0xffff,
	);
	view.setUint16(at + AT.udpLength, length - 20);
	view.setUint16(at + AT.udpChecksum, 0);
}

/** Of an IP version; -1 for what is none. */
function etherType(version: number): number {
	if (version === 4) return EtherType.ipv4;
	return version === 6 ? EtherType.ipv6 : -1;
}

function nextProtocol(version: number): number {
	if (version === 4) return NshNext.ipv4;
	return version === 6 ? NshNext.ipv6 : -1;
}
