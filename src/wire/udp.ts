/** UDP (RFC 768). */
import { type Decoded, field, Reader } from "./bytes.js";

export interface Udp {
	readonly sport: number;
	readonly dport: number;
	/** Header and data, in bytes. */
	readonly length: number;
	/** 0: none. */
	readonly checksum: number;
}

export function decodeUdp(bytes: Uint8Array, offset = 0): Decoded<Udp> {
	const reader = new Reader("udp", bytes, offset);
	const header = {
		sport: reader.u16(),
		dport: reader.u16(),
		length: reader.u16(),
		checksum: reader.u16(),
	};
	if (header.length < 8) reader.fail(`length ${header.length} is less than 8`);
	return reader.done(header);
}

export function encodeUdp(header: Udp): Buffer {
	const out = Buffer.alloc(8);
	out.writeUInt16BE(field("sport", header.sport, 16), 0);
	out.writeUInt16BE(field("dport", header.dport, 16), 2);
	out.writeUInt16BE(field("length", header.length, 16), 4);
	out.writeUInt16BE(field("checksum", header.checksum, 16), 6);
	return out;
}
