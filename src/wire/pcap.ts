/**
 * Classic pcap files (draft-ietf-opsawg-pcap): both byte orders, microseconds
 * and nanoseconds.
 */
import { asBuffer, DecodeError } from "./bytes.js";
import type { FirstLayer } from "./decode.js";

export interface PcapPacket {
	/** Nanoseconds since 1970. */
	readonly time: bigint;
	/** Length on the wire; `data` may be shorter. */
	readonly originalLength: number;
	readonly data: Buffer;
}

export interface Pcap {
	/** LINKTYPE_ number: 1 Ethernet, 101 raw IP … */
	readonly linkType: number;
	readonly packets: readonly PcapPacket[];
	/** Set where the file ends inside a record or a record contradicts itself. */
	readonly stopped?: DecodeError;
}

/** What decodePacket needs for a link type; undefined where it knows none. */
export function firstLayerOf(linkType: number): FirstLayer | undefined {
	return FIRST_LAYERS.get(linkType);
}

const LINKTYPE_ETHERNET = 1;
const FIRST_LAYERS = new Map<number, FirstLayer>([
	[LINKTYPE_ETHERNET, "eth"],
	[101, "ip"],
	[228, "ipv4"],
	[229, "ipv6"],
]);

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** Largest record libpcap accepts, in bytes. */
const MAX_RECORD = 262144;

/** Throws DecodeError when the file header is none. */
export function readPcap(file: Uint8Array): Pcap {
	const bytes = asBuffer(file);
	if (bytes.length < FILE_HEADER) {
		throw new DecodeError("pcap", "file is shorter than its header", 0);
	}
	const magics = [MICROSECONDS, NANOSECONDS];
	const little = magics.includes(bytes.readUInt32LE(0));
	const u32 = (at: number) =>
		little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
	const magic = u32(0);
	if (!magics.includes(magic)) {
		throw new DecodeError(
			"pcap",
			`magic number 0x${magic.toString(16)} is not classic pcap's (convert pcapng with editcap -F pcap)`,
			0,
		);
	}
	const unit = magic === NANOSECONDS ? 1n : 1000n;
	const packets: PcapPacket[] = [];
	let at = FILE_HEADER;
	let stopped: DecodeError | undefined;
	while (at < bytes.length && !stopped) {
		const length = at + RECORD_HEADER <= bytes.length ? u32(at + 8) : 0;
		const data = at + RECORD_HEADER;
		if (length > MAX_RECORD) {
			stopped = new DecodeError("pcap", `record of ${length} bytes`, at);
		} else if (data + length > bytes.length) {
			stopped = new DecodeError("pcap", "file ends inside a record", at);
		} else {
			packets.push({
				time: BigInt(u32(at)) * 1_000_000_000n + BigInt(u32(at + 4)) * unit,
				originalLength: u32(at + 12),
				data: bytes.subarray(data, data + length),
			});
		}
		at = data + length;
	}
	// The upper bits say whether frames end with a checksum.
	const linkType = u32(20) & 0xffff;
	return { linkType, packets, ...(stopped && { stopped }) };
}

/** A nanosecond capture for tshark or tcpdump. */
export function writePcap(
	packets: readonly Pick<PcapPacket, "time" | "data">[],
	linkType = LINKTYPE_ETHERNET,
): Buffer {
	const head = Buffer.alloc(FILE_HEADER);
	head.writeUInt32LE(NANOSECONDS, 0);
	head.writeUInt16LE(2, 4);
	head.writeUInt16LE(4, 6);
	head.writeUInt32LE(MAX_RECORD, 16);
	head.writeUInt32LE(linkType, 20);
	const records = packets.flatMap(({ time, data }) => {
		const record = Buffer.alloc(RECORD_HEADER);
		record.writeUInt32LE(Number(time / 1_000_000_000n), 0);
		record.writeUInt32LE(Number(time % 1_000_000_000n), 4);
		record.writeUInt32LE(data.length, 8);
		record.writeUInt32LE(data.length, 12);
		return [record, data];
	});
	return Buffer.concat([head, ...records]);
}
