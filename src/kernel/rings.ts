/**
 * Frames in memory shared with the kernel (packet(7), TPACKET_V2): received
 * without a system call each. docs/decisions/0005 says why this version.
 */
import * as koffi from "koffi";
import { systemError } from "./error.js";
import { Memory } from "./memory.js";
import { type InterfaceName, PacketSocket, word } from "./packet-socket.js";

const SOL_PACKET = 263;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;

/** linux/if_packet.h */
const OPTION = {
	rxRing: 5,
	statistics: 6,
	version: 10,
	fanout: 18,
	fanoutData: 22,
	ignoreOutgoing: 23,
} as const;
const TPACKET_V2 = 1;
/** The group has a mind of its own about what leaves, whatever its sockets say. */
const FANOUT_CBPF_IGNORE_OUTGOING = 0x4006;
const STATUS_KERNEL = 0;
const STATUS_USER = 1;
const STATUS_CHECKSUM_NOT_READY = 8;

/** struct tpacket2_hdr */
const HEADER = { status: 0, length: 4, captured: 8, mac: 12 };
const BLOCK_BYTES = 1 << 18;

const libc = koffi.load(null);
const getsockopt: (
	fd: number,
	level: number,
	option: number,
	value: Uint8Array,
	bytes: Uint32Array,
) => number = libc.func(
	"int getsockopt(int fd, int level, int option, void *value, void *bytes)",
);
const mmap: (
	address: null,
	bytes: number,
	protection: number,
	flags: number,
	fd: number,
	offset: number,
) => number | bigint = libc.func(
	"intptr_t mmap(void *address, size_t bytes, int protection, int flags, int fd, int64_t offset)",
);
const munmap: (address: number, bytes: number) => number = libc.func(
	"int munmap(uintptr_t address, size_t bytes)",
);

export interface RingOptions extends InterfaceName {
	/** Of one slot, its header of about 80 bytes included: a power of two, at least 2048. */
	readonly slotBytes: number;
	/** Slots, a multiple of 128 (a block has whole slots). */
	readonly slots: number;
}

/** Shares the frames of an interface among sockets, each the same flows always. */
export interface Fanout {
	/** Of the group; 16 bits, its own in the namespace. */
	readonly group: number;
	/** Classic BPF from the network header on; its value modulo members chooses. */
	readonly program: readonly BpfInstruction[];
}

export type BpfInstruction = readonly [
	code: number,
	jumpTrue: number,
	jumpFalse: number,
	operand: number,
];

/** Frames that an interface receives. */
export class ReceiveRing extends PacketSocket {
	readonly memory: Memory;
	readonly #slotBytes: number;
	readonly #slots: number;
	readonly #tailBytes: number;
	/** Of each slot's header, in words of 32 bits. */
	readonly #words: Int32Array;
	/** Slot in hand, and its first byte in the memory. */
	#slot = 0;
	#offset = 0;
	#poll: koffi.node.PollHandle | undefined;

	/** Each frame has `tailBytes` behind it that its reader may overwrite. */
	constructor(options: RingOptions, tailBytes = 0, fanout?: Fanout) {
		super(options);
		this.#slotBytes = options.slotBytes;
		this.#slots = options.slots;
		this.#tailBytes = tailBytes;
		const bytes = this.#slotBytes * this.#slots;
		try {
			this.#open(options, bytes);
			this.memory = map(`open ring on ${options.interface}`, this.fd, bytes);
		} catch (error) {
			super.close();
			throw error;
		}
		const { buffer, byteOffset } = this.memory.bytes;
		this.#words = new Int32Array(buffer, byteOffset, bytes / 4);
		try {
			if (fanout !== undefined) this.#join(options.interface, fanout);
		} catch (error) {
			this.close();
			throw error;
		}
	}

	/** Whether a frame is there; the rest is about that frame. */
	get ready(): boolean {
		/* Seen together with all that the kernel wrote before it. */
		const at = (this.#offset + HEADER.status) >>> 2;
		return (Atomics.load(this.#words, at) & STATUS_USER) !== 0;
	}

	/** Where its Ethernet header is in the memory. */
	get at(): number {
		/* tp_mac: the lower half of its word. */
		return this.#offset + (this.#header(HEADER.mac) & 0xffff);
	}

	get bytes(): number {
		return this.#header(HEADER.captured);
	}

	/** All of it is there, and so is the room behind it. */
	get whole(): boolean {
		const end = (this.#header(HEADER.mac) & 0xffff) + this.bytes;
		return (
			this.bytes === this.#header(HEADER.length) &&
			end + this.#tailBytes <= this.#slotBytes
		);
	}

	/** Its sender left the checksum, or segmentation, to the interface. */
	get unfinished(): boolean {
		/* The kernel writes nothing more to a frame that is there. */
		return (this.#header(HEADER.status) & STATUS_CHECKSUM_NOT_READY) !== 0;
	}

	/** Gives its slot back. */
	release(): void {
		Atomics.store(
			this.#words,
			(this.#offset + HEADER.status) >>> 2,
			STATUS_KERNEL,
		);
		this.#slot = this.#slot + 1 === this.#slots ? 0 : this.#slot + 1;
		this.#offset = this.#slot * this.#slotBytes;
	}

	/** Calls whenever a frame is there, until close(). */
	onReady(handle: () => void): void {
		this.#poll = koffi.node.poll(this.fd, { readable: true }, handle);
	}

	/** Frames lost since the last call because no slot was free. */
	takeLost(): number {
		const counts = Buffer.alloc(8);
		const bytes = Uint32Array.of(counts.length);
		if (getsockopt(this.fd, SOL_PACKET, OPTION.statistics, counts, bytes) !== 0)
			throw systemError("read ring statistics", koffi.errno());
		return counts.readUInt32LE(4);
	}

	/** The memory is gone afterwards: nobody may hold on to it. */
	override close(): void {
		if (this.isClosed) return;
		this.#poll?.close();
		munmap(this.memory.address, this.#slotBytes * this.#slots);
		super.close();
	}

	#header(field: number): number {
		return this.#words[(this.#offset + field) >>> 2] ?? 0;
	}

	#open(options: RingOptions, bytes: number): void {
		const operation = `open ring on ${options.interface}`;
		const set = (option: number, value: Uint8Array) =>
			this.set(operation, SOL_PACKET, option, value);
		set(OPTION.version, word(TPACKET_V2));
		/* It hears nothing of what leaves. */
		set(OPTION.ignoreOutgoing, word(1));
		const blocks = bytes / BLOCK_BYTES;
		const request = [BLOCK_BYTES, blocks, options.slotBytes, options.slots];
		set(OPTION.rxRing, Buffer.concat(request.map(word)));
		this.bind(options, true);
	}

	#join(name: string, { group, program }: Fanout): void {
		const operation = `share frames of ${name}`;
		this.set(
			operation,
			SOL_PACKET,
			OPTION.fanout,
			word((FANOUT_CBPF_IGNORE_OUTGOING << 16) | group),
		);
		const filter = Buffer.concat(
			program.map(([code, jumpTrue, jumpFalse, operand]) => {
				const instruction = Buffer.alloc(8);
				instruction.writeUInt16LE(code, 0);
				instruction.writeUInt8(jumpTrue, 2);
				instruction.writeUInt8(jumpFalse, 3);
				instruction.writeUInt32LE(operand >>> 0, 4);
				return instruction;
			}),
		);
		/* struct sock_fprog */
		const reference = Buffer.alloc(16);
		reference.writeUInt16LE(program.length, 0);
		reference.writeBigUInt64LE(koffi.address(filter), 8);
		this.set(operation, SOL_PACKET, OPTION.fanoutData, reference);
	}
}

function map(operation: string, fd: number, bytes: number): Memory {
	const address = mmap(
		null,
		bytes,
		PROT_READ_WRITE,
		MAP_SHARED_POPULATE,
		fd,
		0,
	);
	if (Number(address) === -1) throw systemError(operation, koffi.errno());
	return Memory.at(BigInt(address), bytes);
}
