/**
 * Packets in memory shared with the kernel (packet(7), TPACKET_V2): received and
 * sent without a system call each. docs/decisions/0005 says why this version.
 */
import { closeSync } from "node:fs";
import * as koffi from "koffi";
import { ifindexOf, withNetns } from "./enter.js";
import { KernelError, systemError } from "./error.js";
import { Memory } from "./memory.js";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000; // SOCK_CLOEXEC | SOCK_NONBLOCK
const SOL_PACKET = 263;
const MSG_DONTWAIT = 0x40;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
/** In network byte order, as the socket takes it. */
const EVERY_PROTOCOL = 0x0300;
const NO_PROTOCOL = 0;

/** linux/if_packet.h */
const OPTION = {
	rxRing: 5,
	statistics: 6,
	version: 10,
	txRing: 13,
	loss: 14,
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
const STATUS_AVAILABLE = 0;
const STATUS_SEND_REQUEST = 1;

/** struct tpacket2_hdr, and where the kernel takes a frame from. */
const HEADER = { status: 0, length: 4, captured: 8, mac: 12, data: 32 };
const BLOCK_BYTES = 1 << 18;

const libc = koffi.load(null);
const socket: (family: number, type: number, protocol: number) => number =
	libc.func("int socket(int family, int type, int protocol)");
const bind: (fd: number, address: Uint8Array, bytes: number) => number =
	libc.func("int bind(int fd, void *address, unsigned int bytes)");
const setsockopt: (
	fd: number,
	level: number,
	option: number,
	value: Uint8Array,
	bytes: number,
) => number = libc.func(
	"int setsockopt(int fd, int level, int option, void *value, unsigned int bytes)",
);
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
const sendto: (
	fd: number,
	frame: null,
	bytes: number,
	flags: number,
	address: null,
	addressBytes: number,
) => number | bigint = libc.func(
	"intptr_t sendto(int fd, void *frame, size_t bytes, int flags, void *address, unsigned int address_bytes)",
);

export interface RingOptions {
	readonly interface: string;
	/** Namespace of the interface by name; where this process is if absent. */
	readonly netns?: string;
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

/** A ring of slots and its socket. */
class Ring {
	readonly memory: Memory;
	readonly slotBytes: number;
	readonly slots: number;
	protected readonly fd: number;
	/** Of each slot's header, in words of 32 bits. */
	protected readonly words: Int32Array;
	/** Slot in hand, and its first byte in the memory. */
	protected slot = 0;
	protected offset = 0;
	#closed = false;

	constructor(options: RingOptions, kind: "receive" | "send") {
		this.slotBytes = options.slotBytes;
		this.slots = options.slots;
		const operation = `open ring on ${options.interface}`;
		this.fd = withNetns<number>(options.netns, () => {
			const fd = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, NO_PROTOCOL);
			if (fd < 0) throw systemError(operation, koffi.errno());
			return fd;
		});
		try {
			const bytes = this.slotBytes * this.slots;
			this.set(operation, OPTION.version, word(TPACKET_V2));
			/* Hear nothing of what leaves; go on behind frames that cannot leave. */
			const [first, ring] =
				kind === "receive"
					? [OPTION.ignoreOutgoing, OPTION.rxRing]
					: [OPTION.loss, OPTION.txRing];
			this.set(operation, first, word(1));
			const request = [
				BLOCK_BYTES,
				bytes / BLOCK_BYTES,
				this.slotBytes,
				this.slots,
			];
			this.set(operation, ring, Buffer.concat(request.map(word)));
			this.#bind(options, kind === "receive" ? EVERY_PROTOCOL : NO_PROTOCOL);
			this.memory = map(operation, this.fd, bytes);
			this.words = new Int32Array(
				this.memory.bytes.buffer,
				this.memory.bytes.byteOffset,
				bytes / 4,
			);
		} catch (error) {
			closeSync(this.fd);
			throw error;
		}
	}

	/** The memory is gone afterwards: nobody may hold on to it. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		munmap(this.memory.address, this.slotBytes * this.slots);
		closeSync(this.fd);
	}

	protected advance(): void {
		this.slot = this.slot + 1 === this.slots ? 0 : this.slot + 1;
		this.offset = this.slot * this.slotBytes;
	}

	/** Seen together with all that the kernel wrote before it. */
	protected get status(): number {
		return Atomics.load(this.words, (this.offset + HEADER.status) >>> 2);
	}

	protected set status(value: number) {
		Atomics.store(this.words, (this.offset + HEADER.status) >>> 2, value);
	}

	protected header(field: number): number {
		return this.words[(this.offset + field) >>> 2] ?? 0;
	}

	protected set(operation: string, option: number, value: Uint8Array): void {
		if (setsockopt(this.fd, SOL_PACKET, option, value, value.length) !== 0)
			throw systemError(operation, koffi.errno());
	}

	#bind({ interface: name, netns }: RingOptions, protocol: number): void {
		const ifindex = ifindexOf(name, netns);
		if (ifindex === undefined)
			throw new KernelError(
				`open ring on ${name}`,
				"no such interface",
				"ip link show",
			);
		const address = Buffer.alloc(20);
		address.writeUInt16LE(AF_PACKET, 0);
		address.writeUInt16LE(protocol, 2);
		address.writeInt32LE(ifindex, 4);
		if (bind(this.fd, address, address.length) !== 0)
			throw systemError(`bind to ${name}`, koffi.errno());
	}
}

/** Frames that an interface receives. */
export class ReceiveRing extends Ring {
	#poll: koffi.node.PollHandle | undefined;
	readonly #tailBytes: number;

	/** Each frame has `tailBytes` behind it that its reader may overwrite. */
	constructor(options: RingOptions, tailBytes = 0, fanout?: Fanout) {
		super(options, "receive");
		this.#tailBytes = tailBytes;
		try {
			if (fanout !== undefined) this.#join(options.interface, fanout);
		} catch (error) {
			this.close();
			throw error;
		}
	}

	/** Whether a frame is there; the rest is about that frame. */
	get ready(): boolean {
		return (this.status & STATUS_USER) !== 0;
	}

	/** Where its Ethernet header is in the memory. */
	get at(): number {
		/* tp_mac: the lower half of its word. */
		return this.offset + (this.header(HEADER.mac) & 0xffff);
	}

	get bytes(): number {
		return this.header(HEADER.captured);
	}

	/** All of it is there, and so is the room behind it. */
	get whole(): boolean {
		const end = (this.header(HEADER.mac) & 0xffff) + this.bytes;
		return (
			this.bytes === this.header(HEADER.length) &&
			end + this.#tailBytes <= this.slotBytes
		);
	}

	/** Its sender left the checksum, or segmentation, to the interface. */
	get unfinished(): boolean {
		/* The kernel writes nothing more to a frame that is there. */
		return (this.header(HEADER.status) & STATUS_CHECKSUM_NOT_READY) !== 0;
	}

	/** Gives its slot back. */
	release(): void {
		this.status = STATUS_KERNEL;
		this.advance();
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

	override close(): void {
		this.#poll?.close();
		this.#poll = undefined;
		super.close();
	}

	#join(name: string, { group, program }: Fanout): void {
		const operation = `share frames of ${name}`;
		this.set(
			operation,
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
		this.set(operation, OPTION.fanoutData, reference);
	}
}

/** Frames for an interface to send. */
export class SendRing extends Ring {
	/** Room for a frame in each slot. */
	readonly roomBytes: number;
	#queued = 0;

	constructor(options: RingOptions) {
		super(options, "send");
		this.roomBytes = this.slotBytes - HEADER.data;
	}

	/** Where the next frame is to be written; undefined where no slot is free. */
	get room(): number | undefined {
		return this.status === STATUS_AVAILABLE
			? this.offset + HEADER.data
			: undefined;
	}

	/** Frames written and not sent yet. */
	get queued(): number {
		return this.#queued;
	}

	/** The frame of `bytes` in the room is complete. */
	queue(bytes: number): void {
		this.words[(this.offset + HEADER.length) >>> 2] = bytes;
		this.status = STATUS_SEND_REQUEST;
		this.#queued++;
		this.advance();
	}

	/** Queues a copy of a frame; false where no slot is free. */
	put(frame: Uint8Array): boolean {
		const { room } = this;
		if (room === undefined) return false;
		this.memory.bytes.set(frame, room);
		this.queue(frame.length);
		return true;
	}

	/** Sends all that is queued; an interface that is down leaves it there. */
	send(): void {
		this.#queued = 0;
		sendto(this.fd, null, 0, MSG_DONTWAIT, null, 0);
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

function word(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}
