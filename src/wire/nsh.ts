/**
 * Network Service Header (RFC 8300 §2): base and service path header, metadata
 * of MD type 1 and 2, that of any other type kept as it is.
 */
import { type Decoded, field, Reader } from "./bytes.js";

/** Next protocol (RFC 8300 §12.2.5). */
export const NshNext = {
	ipv4: 1,
	ipv6: 2,
	ethernet: 3,
	nsh: 4,
	mpls: 5,
	experiment1: 0xfe,
	experiment2: 0xff,
} as const;

/** MD type 2 metadata: one TLV (RFC 8300 §2.5.1). */
export interface NshTlv {
	readonly class: number;
	readonly type: number;
	readonly unassigned: boolean;
	readonly value: Uint8Array;
	/** Bytes up to the next multiple of 4, where they are not all zero. */
	readonly padding?: Uint8Array;
}

export type NshMetadata =
	/** MD type 1: four words, whatever they mean (RFC 8300 §2.4). */
	| { readonly kind: "context"; readonly words: readonly number[] }
	/** MD type 2. */
	| { readonly kind: "tlvs"; readonly tlvs: readonly NshTlv[] }
	/** Any other type; a multiple of 4 bytes. */
	| { readonly kind: "raw"; readonly bytes: Uint8Array };

export interface Nsh {
	readonly version: number;
	readonly oam: boolean;
	/** Bit 3 of the header. */
	readonly unassignedBit: boolean;
	readonly ttl: number;
	/** Of the whole header, in 4-byte words. */
	readonly length: number;
	/** The four bits ahead of the MD type. */
	readonly unassigned: number;
	readonly mdType: number;
	readonly nextProtocol: number;
	readonly spi: number;
	readonly si: number;
	readonly metadata: NshMetadata;
}

export function decodeNsh(bytes: Uint8Array, offset = 0): Decoded<Nsh> {
	const reader = new Reader("nsh", bytes, offset);
	const first = reader.u16();
	const version = first >> 14;
	// Only version 0 has a layout that is known (RFC 8300 §2.2).
	if (version !== 0) reader.fail(`version is ${version}, not 0`);
	const length = first & 0x3f;
	const md = reader.u8();
	const mdType = md & 0xf;
	if (length < 2) reader.fail(`length ${length} words is less than 2`);
	if (mdType === 1 && length !== 6) {
		reader.fail(`length is ${length} words, MD type 1 has 6`);
	}
	const base = {
		version,
		oam: (first & 0x2000) !== 0,
		unassignedBit: (first & 0x1000) !== 0,
		ttl: (first >> 6) & 0x3f,
		length,
		unassigned: md >> 4,
		mdType,
		nextProtocol: reader.u8(),
		spi: reader.u24(),
		si: reader.u8(),
	};
	const metadata = decodeMetadata(reader, mdType, reader.bytes(4 * length - 8));
	return reader.done({ ...base, metadata });
}

function decodeMetadata(
	header: Reader,
	mdType: number,
	bytes: Buffer,
): NshMetadata {
	if (mdType === 1) {
		const reader = new Reader("nsh", bytes);
		const words = [reader.u32(), reader.u32(), reader.u32(), reader.u32()];
		return { kind: "context", words };
	}
	if (mdType === 2) return { kind: "tlvs", tlvs: decodeTlvs(header, bytes) };
	return { kind: "raw", bytes };
}

function decodeTlvs(header: Reader, bytes: Buffer): NshTlv[] {
	const reader = new Reader("nsh", bytes);
	const tlvs: NshTlv[] = [];
	while (reader.remaining > 0) {
		// What remains is a multiple of 4, so the TLV's own header is there.
		const tlvClass = reader.u16();
		const type = reader.u8();
		const bits = reader.u8();
		const length = bits & 0x7f;
		if (length > reader.remaining) {
			header.fail(
				`metadata ${tlvClass}/${type}: length ${length} reaches behind the header`,
			);
		}
		const value = reader.bytes(length);
		const padding = reader.bytes(-length & 3);
		tlvs.push({
			class: tlvClass,
			type,
			unassigned: (bits & 0x80) !== 0,
			value,
			...(padding.some((byte) => byte !== 0) && { padding }),
		});
	}
	return tlvs;
}

/** Writes every field as given: `length` and `mdType` may contradict the metadata. */
export function encodeNsh(header: Nsh): Buffer {
	const out = Buffer.alloc(8);
	out.writeUInt16BE(
		(field("version", header.version, 2) << 14) |
			(header.oam ? 0x2000 : 0) |
			(header.unassignedBit ? 0x1000 : 0) |
			(field("ttl", header.ttl, 6) << 6) |
			field("length", header.length, 6),
		0,
	);
	out.writeUInt8(
		(field("unassigned", header.unassigned, 4) << 4) |
			field("mdType", header.mdType, 4),
		2,
	);
	out.writeUInt8(field("nextProtocol", header.nextProtocol, 8), 3);
	out.writeUIntBE(field("spi", header.spi, 24), 4, 3);
	out.writeUInt8(field("si", header.si, 8), 7);
	return Buffer.concat([out, encodeMetadata(header.metadata)]);
}

/** The bytes behind the service path header, a multiple of 4. */
export function encodeMetadata(metadata: NshMetadata): Buffer {
	switch (metadata.kind) {
		case "context": {
			const out = Buffer.alloc(4 * metadata.words.length);
			for (const [i, word] of metadata.words.entries()) {
				out.writeUInt32BE(field("context", word, 32), 4 * i);
			}
			return out;
		}
		case "tlvs":
			return Buffer.concat(metadata.tlvs.map(encodeTlv));
		case "raw":
			return Buffer.from(metadata.bytes);
	}
}

function encodeTlv(tlv: NshTlv): Buffer {
	const head = Buffer.alloc(4);
	const length = field("metadata length", tlv.value.length, 7);
	head.writeUInt16BE(field("metadata class", tlv.class, 16), 0);
	head.writeUInt8(field("metadata type", tlv.type, 8), 2);
	head.writeUInt8((tlv.unassigned ? 0x80 : 0) | length, 3);
	const padding = tlv.padding ?? Buffer.alloc(-length & 3);
	return Buffer.concat([head, tlv.value, padding]);
}
