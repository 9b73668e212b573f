/** TCP (RFC 9293) and its options. */
import { type Decoded, field, Reader } from "./bytes.js";

/** Bits of `Tcp.flags`; AE was NS (RFC 9768 §3.1). */
export const TcpFlag = {
	fin: 0x001,
	syn: 0x002,
	rst: 0x004,
	psh: 0x008,
	ack: 0x010,
	urg: 0x020,
	ece: 0x040,
	cwr: 0x080,
	ae: 0x100,
} as const;

export const TcpOptionKind = {
	end: 0,
	nop: 1,
	mss: 2,
	windowScale: 3,
	sackPermitted: 4,
	sack: 5,
	timestamps: 8,
} as const;

export interface TcpOption {
	readonly kind: number;
	/** Without kind and length. */
	readonly data: Uint8Array;
}

export interface Tcp {
	readonly sport: number;
	readonly dport: number;
	readonly seq: number;
	readonly ack: number;
	/** Header length in 4-byte words. */
	readonly dataOffset: number;
	/** Three bits, 0 when sent. */
	readonly reserved: number;
	readonly flags: number;
	readonly window: number;
	readonly checksum: number;
	readonly urgent: number;
	/** Raw, with padding; see decodeTcpOptions. */
	readonly options: Uint8Array;
}

export function decodeTcp(bytes: Uint8Array, offset = 0): Decoded<Tcp> {
	const reader = new Reader("tcp", bytes, offset);
	const sport = reader.u16();
	const dport = reader.u16();
	const seq = reader.u32();
	const ack = reader.u32();
	const bits = reader.u16();
	const dataOffset = bits >> 12;
	if (dataOffset < 5) {
		reader.fail(`data offset ${dataOffset} words is less than 5`);
	}
	const header: Omit<Tcp, "options"> = {
		sport,
		dport,
		seq,
		ack,
		dataOffset,
		reserved: (bits >> 9) & 7,
		flags: bits & 0x1ff,
		window: reader.u16(),
		checksum: reader.u16(),
		urgent: reader.u16(),
	};
	return reader.done({ ...header, options: reader.bytes(4 * dataOffset - 20) });
}

/** Writes every field as given. */
export function encodeTcp(header: Tcp): Buffer {
	const out = Buffer.alloc(20);
	out.writeUInt16BE(field("sport", header.sport, 16), 0);
	out.writeUInt16BE(field("dport", header.dport, 16), 2);
	out.writeUInt32BE(field("seq", header.seq, 32), 4);
	out.writeUInt32BE(field("ack", header.ack, 32), 8);
	out.writeUInt16BE(
		(field("dataOffset", header.dataOffset, 4) << 12) |
			(field("reserved", header.reserved, 3) << 9) |
			field("flags", header.flags, 9),
		12,
	);
	out.writeUInt16BE(field("window", header.window, 16), 14);
	out.writeUInt16BE(field("checksum", header.checksum, 16), 16);
	out.writeUInt16BE(field("urgent", header.urgent, 16), 18);
	return Buffer.concat([out, header.options]);
}

/** The list inside `Tcp.options`, up to its end mark. Throws DecodeError. */
export function decodeTcpOptions(bytes: Uint8Array): TcpOption[] {
	const reader = new Reader("tcp options", bytes);
	const options: TcpOption[] = [];
	while (reader.remaining > 0) {
		const kind = reader.u8();
		if (kind === TcpOptionKind.end) break;
		if (kind === TcpOptionKind.nop) {
			options.push({ kind, data: Buffer.alloc(0) });
			continue;
		}
		const length = reader.u8();
		if (length < 2) reader.fail(`option ${kind} has length ${length}`);
		options.push({ kind, data: reader.bytes(length - 2) });
	}
	return options;
}

/** Padded with end marks to a multiple of 4. */
export function encodeTcpOptions(options: readonly TcpOption[]): Buffer {
	const parts = options.map(({ kind, data }) =>
		kind === TcpOptionKind.end || kind === TcpOptionKind.nop
			? Buffer.from([kind])
			: Buffer.from([
					field("option kind", kind, 8),
					field("option length", data.length + 2, 8),
					...data,
				]),
	);
	const raw = Buffer.concat(parts);
	return Buffer.concat([raw, Buffer.alloc(-raw.length & 3)]);
}

/** The maximum segment size option, in bytes (RFC 9293 §3.7.1). */
export function mssOption(mss: number): TcpOption {
	const data = Buffer.alloc(2);
	data.writeUInt16BE(field("mss", mss, 16));
	return { kind: TcpOptionKind.mss, data };
}

/** What the segment announces as its MSS, if it does. Throws DecodeError. */
export function tcpMss(header: Tcp): number | undefined {
	const option = decodeTcpOptions(header.options).find(
		({ kind, data }) => kind === TcpOptionKind.mss && data.length === 2,
	);
	return option && new Reader("tcp mss", option.data).u16();
}
