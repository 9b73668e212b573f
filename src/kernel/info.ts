/** What the kernel says of a program, map or link behind a file descriptor. */
import { check } from "./error.js";
import { libbpf } from "./libbpf.js";

const INFO_BYTES = 256;

export interface MapInfo {
	/** Number of BPF_MAP_TYPE_…. */
	readonly type: number;
	readonly id: number;
	readonly keySize: number;
	readonly valueSize: number;
	readonly maxEntries: number;
}

export interface ProgramInfo {
	readonly id: number;
	/** Hash of the instructions, 16 hex digits: equal for equal programs. */
	readonly tag: string;
}

export interface LinkInfo {
	/** Number of BPF_LINK_TYPE_…. */
	readonly type: number;
	readonly programId: number;
	/** Of a tcx link: where it is attached; 0 once the interface is gone. */
	readonly ifindex: number;
}

export function mapInfo(fd: number): MapInfo {
	const info = read(fd);
	return {
		type: info.readUInt32LE(0),
		id: info.readUInt32LE(4),
		keySize: info.readUInt32LE(8),
		valueSize: info.readUInt32LE(12),
		maxEntries: info.readUInt32LE(16),
	};
}

export function programInfo(fd: number): ProgramInfo {
	const info = read(fd);
	return { id: info.readUInt32LE(4), tag: info.toString("hex", 8, 16) };
}

export function linkInfo(fd: number): LinkInfo {
	const info = read(fd);
	return {
		type: info.readUInt32LE(0),
		programId: info.readUInt32LE(8),
		ifindex: info.readUInt32LE(16),
	};
}

function read(fd: number): Buffer {
	const info = Buffer.alloc(INFO_BYTES);
	check(
		"bpf object info",
		libbpf().info(fd, info, new Uint32Array([INFO_BYTES])),
	);
	return info;
}
