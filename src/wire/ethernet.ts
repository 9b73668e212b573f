/** Ethernet II with any number of VLAN tags (IEEE 802.3, 802.1Q, 802.1ad). */
import { formatMac, parseMac } from "./address.js";
import { type Decoded, field, Reader } from "./bytes.js";

export const EtherType = {
	ipv4: 0x0800,
	arp: 0x0806,
	/** Transparent Ethernet bridging: Ethernet inside GRE (RFC 7637 §3.2). */
	ethernet: 0x6558,
	vlan: 0x8100,
	ipv6: 0x86dd,
	serviceVlan: 0x88a8,
	/** RFC 8300 §12.1. */
	nsh: 0x894f,
} as const;

export interface VlanTag {
	/** 0x8100 (C-tag), 0x88a8 (S-tag). */
	readonly tpid: number;
	readonly priority: number;
	readonly dropEligible: boolean;
	readonly id: number;
}

export interface Ethernet {
	readonly dst: string;
	readonly src: string;
	/** Outermost first. */
	readonly vlans: readonly VlanTag[];
	/** Of the payload; up to 1500 it is an IEEE 802.3 length. */
	readonly etherType: number;
}

export function decodeEthernet(
	bytes: Uint8Array,
	offset = 0,
): Decoded<Ethernet> {
	const reader = new Reader("eth", bytes, offset);
	const dst = formatMac(reader.bytes(6));
	const src = formatMac(reader.bytes(6));
	const vlans: VlanTag[] = [];
	let etherType = reader.u16();
	while (etherType === EtherType.vlan || etherType === EtherType.serviceVlan) {
		const tag = reader.u16();
		vlans.push({
			tpid: etherType,
			priority: tag >> 13,
			dropEligible: (tag & 0x1000) !== 0,
			id: tag & 0xfff,
		});
		etherType = reader.u16();
	}
	return reader.done({ dst, src, vlans, etherType });
}

export function encodeEthernet(header: Ethernet): Buffer {
	const tail = Buffer.alloc(4 * header.vlans.length + 2);
	let at = 0;
	for (const { tpid, priority, dropEligible, id } of header.vlans) {
		at = tail.writeUInt16BE(field("tpid", tpid, 16), at);
		at = tail.writeUInt16BE(
			(field("priority", priority, 3) << 13) |
				(dropEligible ? 0x1000 : 0) |
				field("vlan", id, 12),
			at,
		);
	}
	tail.writeUInt16BE(field("etherType", header.etherType, 16), at);
	return Buffer.concat([parseMac(header.dst), parseMac(header.src), tail]);
}
