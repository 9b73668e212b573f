/**
 * VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-12), and with the P bit off plain VXLAN
 * (RFC 7348), which always carries Ethernet.
 */
import { type Decoded, field, Reader } from "./bytes.js";

export const VXLAN_PORT = 4789;
export const VXLAN_GPE_PORT = 4790;

/** Next protocol; the same numbers as NSH's. */
export const VxlanNext = {
	ipv4: 1,
	ipv6: 2,
	ethernet: 3,
	nsh: 4,
	mpls: 5,
} as const;

const NEXT_PROTOCOL = 0x04;

export interface Vxlan {
	readonly version: number;
	/** I bit: the VNI is valid. */
	readonly instance: boolean;
	/** P bit: `nextProtocol` is valid. */
	readonly nextProtocolBit: boolean;
	/** B bit: broadcast, unknown unicast or multicast that was replicated. */
	readonly replicated: boolean;
	readonly oam: boolean;
	/** The two reserved flag bits, 0 when sent. */
	readonly reservedFlags: number;
	/** 16 bits behind the flags. */
	readonly reserved1: number;
	readonly nextProtocol: number;
	readonly vni: number;
	/** The last byte. */
	readonly reserved2: number;
}

export function decodeVxlan(bytes: Uint8Array, offset = 0): Decoded<Vxlan> {
	const reader = new Reader("vxlan", bytes, offset);
	const flags = reader.u8();
	const version = (flags >> 4) & 3;
	// Plain VXLAN has no version: those bits are reserved and ignored.
	if (flags & NEXT_PROTOCOL && version !== 0) {
		reader.fail(`version is ${version}, not 0`);
	}
	return reader.done({
		version,
		instance: (flags & 0x08) !== 0,
		nextProtocolBit: (flags & NEXT_PROTOCOL) !== 0,
		replicated: (flags & 0x02) !== 0,
		oam: (flags & 0x01) !== 0,
		reservedFlags: flags >> 6,
		reserved1: reader.u16(),
		nextProtocol: reader.u8(),
		vni: reader.u24(),
		reserved2: reader.u8(),
	});
}

/** Writes every field as given. */
export function encodeVxlan(header: Vxlan): Buffer {
	const out = Buffer.alloc(8);
	out.writeUInt8(
		(field("reservedFlags", header.reservedFlags, 2) << 6) |
			(field("version", header.version, 2) << 4) |
			(header.instance ? 0x08 : 0) |
			(header.nextProtocolBit ? NEXT_PROTOCOL : 0) |
			(header.replicated ? 0x02 : 0) |
			(header.oam ? 0x01 : 0),
		0,
	);
	out.writeUInt16BE(field("reserved1", header.reserved1, 16), 1);
	out.writeUInt8(field("nextProtocol", header.nextProtocol, 8), 3);
	out.writeUIntBE(field("vni", header.vni, 24), 4, 3);
	out.writeUInt8(field("reserved2", header.reserved2, 8), 7);
	return out;
}
