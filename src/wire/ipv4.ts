/** IPv4 (RFC 791), DSCP and ECN (RFC 2474, RFC 3168). */
import { addressBytes, formatAddress } from "./address.js";
import { type Decoded, field, Reader } from "./bytes.js";
import { checksum } from "./checksum.js";

/** IP protocol numbers (IANA), of IPv4 and IPv6 alike. */
export const IpProto = {
	hopByHop: 0,
	icmp: 1,
	ipv4: 4,
	tcp: 6,
	udp: 17,
	ipv6: 41,
	routing: 43,
	fragment: 44,
	gre: 47,
	esp: 50,
	ah: 51,
	icmpv6: 58,
	noNext: 59,
	destination: 60,
	mobility: 135,
	ethernet: 143,
} as const;

export interface Ipv4 {
	readonly version: number;
	/** Header length in 4-byte words. */
	readonly ihl: number;
	readonly dscp: number;
	readonly ecn: number;
	/** Header and payload, in bytes. */
	readonly totalLength: number;
	readonly id: number;
	readonly reserved: boolean;
	readonly dontFragment: boolean;
	readonly moreFragments: boolean;
	/** In bytes, a multiple of 8. */
	readonly fragmentOffset: number;
	readonly ttl: number;
	readonly proto: number;
	readonly checksum: number;
	readonly src: string;
	readonly dst: string;
	/** Raw, with padding; empty without options. */
	readonly options: Uint8Array;
}

/** The checksum is kept as it is; see ipv4ChecksumOk. */
export function decodeIpv4(bytes: Uint8Array, offset = 0): Decoded<Ipv4> {
	const reader = new Reader("ipv4", bytes, offset);
	const first = reader.u8();
	const version = first >> 4;
	const ihl = first & 0xf;
	if (version !== 4) reader.fail(`version is ${version}, not 4`);
	if (ihl < 5) reader.fail(`header length ${ihl} words is less than 5`);
	const trafficClass = reader.u8();
	const totalLength = reader.u16();
	if (totalLength < 4 * ihl) {
		reader.fail(`total length ${totalLength} is less than the header`);
	}
	const id = reader.u16();
	const fragment = reader.u16();
	const header: Omit<Ipv4, "options"> = {
		version,
		ihl,
		dscp: trafficClass >> 2,
		ecn: trafficClass & 3,
		totalLength,
		id,
		reserved: (fragment & 0x8000) !== 0,
		dontFragment: (fragment & 0x4000) !== 0,
		moreFragments: (fragment & 0x2000) !== 0,
		fragmentOffset: (fragment & 0x1fff) * 8,
		ttl: reader.u8(),
		proto: reader.u8(),
		checksum: reader.u16(),
		src: formatAddress(reader.bytes(4)),
		dst: formatAddress(reader.bytes(4)),
	};
	return reader.done({ ...header, options: reader.bytes(4 * ihl - 20) });
}

/** Writes every field as given; the builder is what fills in and computes. */
export function encodeIpv4(header: Ipv4): Buffer {
	const out = Buffer.alloc(20);
	out.writeUInt8(
		(field("version", header.version, 4) << 4) | field("ihl", header.ihl, 4),
		0,
	);
	out.writeUInt8(
		(field("dscp", header.dscp, 6) << 2) | field("ecn", header.ecn, 2),
		1,
	);
	out.writeUInt16BE(field("totalLength", header.totalLength, 16), 2);
	out.writeUInt16BE(field("id", header.id, 16), 4);
	out.writeUInt16BE(
		(header.reserved ? 0x8000 : 0) |
			(header.dontFragment ? 0x4000 : 0) |
			(header.moreFragments ? 0x2000 : 0) |
			field("fragmentOffset / 8", header.fragmentOffset / 8, 13),
		6,
	);
	out.writeUInt8(field("ttl", header.ttl, 8), 8);
	out.writeUInt8(field("proto", header.proto, 8), 9);
	out.writeUInt16BE(field("checksum", header.checksum, 16), 10);
	out.set(addressBytes(header.src), 12);
	out.set(addressBytes(header.dst), 16);
	return Buffer.concat([out, header.options]);
}

/** The checksum the header ought to have. */
export function ipv4Checksum(header: Ipv4): number {
	return checksum(encodeIpv4({ ...header, checksum: 0 }));
}

export function ipv4ChecksumOk(header: Ipv4): boolean {
	return checksum(encodeIpv4(header)) === 0;
}
