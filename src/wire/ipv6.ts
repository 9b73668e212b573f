/** IPv6 with its extension headers (RFC 8200), AH included (RFC 4302). */
import { addressBytes, formatAddress } from "./address.js";
import { type Decoded, field, Reader } from "./bytes.js";
import { IpProto } from "./ipv4.js";

export interface Ipv6 {
	readonly version: number;
	readonly dscp: number;
	readonly ecn: number;
	readonly flowLabel: number;
	/** Extension headers and payload, in bytes. */
	readonly payloadLength: number;
	readonly hopLimit: number;
	readonly src: string;
	readonly dst: string;
	readonly extensions: readonly Ipv6Extension[];
	/** Protocol behind the last extension header. */
	readonly proto: number;
}

export type Ipv6Extension = Ipv6Options | Ipv6Fragment;

/** Any extension header but the fragment header. */
export interface Ipv6Options {
	readonly type: Exclude<ExtensionType, typeof IpProto.fragment>;
	/** Bytes behind next header and length; 6 more than a multiple of 8 (AH: 2 more than one of 4). */
	readonly body: Uint8Array;
}

export interface Ipv6Fragment {
	readonly type: typeof IpProto.fragment;
	/** In bytes, a multiple of 8. */
	readonly offset: number;
	readonly more: boolean;
	readonly id: number;
	/** The ten reserved bits; 0 when sent (RFC 8200 §4.5). */
	readonly reserved: number;
}

type ExtensionType =
	| typeof IpProto.hopByHop
	| typeof IpProto.routing
	| typeof IpProto.fragment
	| typeof IpProto.ah
	| typeof IpProto.destination
	| typeof IpProto.mobility;

const EXTENSIONS: readonly number[] = [
	IpProto.hopByHop,
	IpProto.routing,
	IpProto.fragment,
	IpProto.ah,
	IpProto.destination,
	IpProto.mobility,
] satisfies ExtensionType[];

export function decodeIpv6(bytes: Uint8Array, offset = 0): Decoded<Ipv6> {
	const reader = new Reader("ipv6", bytes, offset);
	const first = reader.u32();
	const version = first >>> 28;
	if (version !== 6) reader.fail(`version is ${version}, not 6`);
	const payloadLength = reader.u16();
	const nextHeader = reader.u8();
	const header = {
		version,
		dscp: (first >>> 22) & 0x3f,
		ecn: (first >>> 20) & 3,
		flowLabel: first & 0xfffff,
		payloadLength,
		hopLimit: reader.u8(),
		src: formatAddress(reader.bytes(16)),
		dst: formatAddress(reader.bytes(16)),
	};
	const behind = decodeExtensions(reader, nextHeader, payloadLength);
	return reader.done({ ...header, ...behind });
}

function decodeExtensions(
	reader: Reader,
	nextHeader: number,
	payloadLength: number,
): Pick<Ipv6, "extensions" | "proto"> {
	const end = reader.position + payloadLength;
	const extensions: Ipv6Extension[] = [];
	let proto = nextHeader;
	while (isExtension(proto)) {
		const type = proto;
		proto = reader.u8();
		const extension =
			type === IpProto.fragment
				? decodeFragment(reader)
				: decodeOptions(reader, type);
		// Zero would be a jumbogram (RFC 2675), which this project does not carry.
		if (reader.position > end) {
			reader.fail("extension headers are longer than the payload length");
		}
		extensions.push(extension);
		// Behind a later fragment's header there is data, not a header.
		if (extension.type === IpProto.fragment && extension.offset > 0) break;
	}
	return { extensions, proto };
}

function isExtension(proto: number): proto is ExtensionType {
	return EXTENSIONS.includes(proto);
}

function decodeFragment(reader: Reader): Ipv6Fragment {
	const reserved = reader.u8();
	const bits = reader.u16();
	return {
		type: IpProto.fragment,
		offset: bits & 0xfff8,
		more: (bits & 1) === 1,
		reserved: (reserved << 2) | ((bits >> 1) & 3),
		id: reader.u32(),
	};
}

function decodeOptions(reader: Reader, type: Ipv6Options["type"]): Ipv6Options {
	const length = reader.u8();
	const size = type === IpProto.ah ? 4 * length + 8 : 8 * length + 8;
	return { type, body: reader.bytes(size - 2) };
}

/** Writes every field as given; next headers follow from the extensions. */
export function encodeIpv6(header: Ipv6): Buffer {
	const { extensions } = header;
	const out = Buffer.alloc(40);
	out.writeUInt32BE(
		field("version", header.version, 4) * 2 ** 28 +
			(field("dscp", header.dscp, 6) << 22) +
			(field("ecn", header.ecn, 2) << 20) +
			field("flowLabel", header.flowLabel, 20),
		0,
	);
	out.writeUInt16BE(field("payloadLength", header.payloadLength, 16), 4);
	out.writeUInt8(extensions[0]?.type ?? field("proto", header.proto, 8), 6);
	out.writeUInt8(field("hopLimit", header.hopLimit, 8), 7);
	out.set(addressBytes(header.src), 8);
	out.set(addressBytes(header.dst), 24);
	const encoded = extensions.map((extension, i) =>
		encodeExtension(extension, extensions[i + 1]?.type ?? header.proto),
	);
	return Buffer.concat([out, ...encoded]);
}

function encodeExtension(extension: Ipv6Extension, next: number): Buffer {
	if (extension.type === IpProto.fragment) {
		const { offset, more, id } = extension;
		const reserved = field("reserved", extension.reserved, 10);
		const out = Buffer.alloc(8);
		out.writeUInt8(field("proto", next, 8), 0);
		out.writeUInt8(reserved >> 2, 1);
		const bits = (field("offset / 8", offset / 8, 13) << 3) | (more ? 1 : 0);
		out.writeUInt16BE(bits | ((reserved & 3) << 1), 2);
		out.writeUInt32BE(field("id", id, 32), 4);
		return out;
	}
	const unit = extension.type === IpProto.ah ? 4 : 8;
	const units = (extension.body.length + 2 - 8) / unit;
	return Buffer.concat([
		Buffer.from([field("proto", next, 8), field("extension length", units, 8)]),
		extension.body,
	]);
}

/** The fragment header, where there is one. */
export function ipv6Fragment(header: Ipv6): Ipv6Fragment | undefined {
	return header.extensions.find(
		(extension): extension is Ipv6Fragment =>
			extension.type === IpProto.fragment,
	);
}
