/** GRE (RFC 2784) with key and sequence number (RFC 2890). */
import { type Decoded, field, Reader } from "./bytes.js";

export interface Gre {
	readonly version: number;
	/** EtherType of the payload. */
	readonly protocol: number;
	/** Nine bits between flags and version (RFC 2784 §2.1), 0 when sent. */
	readonly reserved: number;
	readonly checksum?: number;
	/** 16 bits behind the checksum. */
	readonly reserved1?: number;
	readonly key?: number;
	readonly sequence?: number;
}

const CHECKSUM = 0x8000;
const ROUTING = 0x4000;
const KEY = 0x2000;
const SEQUENCE = 0x1000;

export function decodeGre(bytes: Uint8Array, offset = 0): Decoded<Gre> {
	const reader = new Reader("gre", bytes, offset);
	const flags = reader.u16();
	const version = flags & 7;
	if (version !== 0) reader.fail(`version is ${version}, not 0`);
	// RFC 2784 §2.3: a receiver of RFC 2784 refuses RFC 1701 source routes.
	if (flags & ROUTING) reader.fail("has a source route (RFC 1701)");
	const protocol = reader.u16();
	return reader.done({
		version,
		protocol,
		reserved: (flags >> 3) & 0x1ff,
		...(flags & CHECKSUM && {
			checksum: reader.u16(),
			reserved1: reader.u16(),
		}),
		...(flags & KEY && { key: reader.u32() }),
		...(flags & SEQUENCE && { sequence: reader.u32() }),
	});
}

/** Writes every field as given; an optional one that is there sets its flag. */
export function encodeGre(header: Gre): Buffer {
	const { checksum, reserved1, key, sequence } = header;
	const head = Buffer.alloc(4);
	head.writeUInt16BE(
		(checksum === undefined ? 0 : CHECKSUM) |
			(key === undefined ? 0 : KEY) |
			(sequence === undefined ? 0 : SEQUENCE) |
			(field("reserved", header.reserved, 9) << 3) |
			field("version", header.version, 3),
		0,
	);
	head.writeUInt16BE(field("protocol", header.protocol, 16), 2);
	const parts = [head];
	if (checksum !== undefined) {
		const word = Buffer.alloc(4);
		word.writeUInt16BE(field("checksum", checksum, 16), 0);
		word.writeUInt16BE(field("reserved1", reserved1 ?? 0, 16), 2);
		parts.push(word);
	}
	for (const [name, value] of Object.entries({ key, sequence })) {
		if (value === undefined) continue;
		const word = Buffer.alloc(4);
		word.writeUInt32BE(field(name, value, 32));
		parts.push(word);
	}
	return Buffer.concat(parts);
}
