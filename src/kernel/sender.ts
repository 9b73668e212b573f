/** Frames sent many at a time, with one system call (sendmmsg(2)). */
import * as koffi from "koffi";
import { Memory } from "./memory.js";
import { type InterfaceName, PacketSocket, word } from "./packet-socket.js";

const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
/** More than is ever under way: what leaves is not to wait for what has left. */
const BUFFER_BYTES = 1 << 23;
const MSG_DONTWAIT = 0x40;

/** struct mmsghdr and struct iovec of 64-bit Linux. */
const MESSAGE = { vector: 16, vectors: 24, bytes: 64 } as const;
const VECTOR = { base: 0, length: 8, bytes: 16 } as const;

const sendmmsg: (
	fd: number,
	messages: number,
	count: number,
	flags: number,
) => number = koffi
	.load(null)
	.func(
		"int sendmmsg(int fd, uintptr_t messages, unsigned int count, int flags)",
	);

export interface SenderOptions extends InterfaceName {
	/** Longest frame. */
	readonly slotBytes: number;
	/** Frames sent with one system call. */
	readonly slots: number;
}

export class Sender extends PacketSocket {
	readonly memory: Memory;
	readonly #slotBytes: number;
	readonly #slots: number;
	/** First byte of messages and vectors in the memory. */
	readonly #messages: number;
	readonly #vectors: number;
	#queued = 0;

	constructor(options: SenderOptions) {
		super(options);
		const { slotBytes, slots } = options;
		this.#slotBytes = slotBytes;
		this.#slots = slots;
		this.#messages = slotBytes * slots;
		this.#vectors = this.#messages + MESSAGE.bytes * slots;
		this.memory = Memory.allocate(this.#vectors + VECTOR.bytes * slots);
		try {
			const operation = `send on ${options.interface}`;
			this.set(operation, SOL_SOCKET, SO_SNDBUFFORCE, word(BUFFER_BYTES));
			this.bind(options, false);
		} catch (error) {
			this.close();
			throw error;
		}
		for (let slot = 0; slot < slots; slot++) this.#prepare(slot);
	}

	/** Where the next frame is to be written. */
	get room(): number {
		return this.#queued * this.#slotBytes;
	}

	/** No room: what is queued has to be sent first. */
	get isFull(): boolean {
		return this.#queued === this.#slots;
	}

	/** The frame of `bytes` in the room is complete. */
	queue(bytes: number): void {
		const at = this.#vectors + this.#queued * VECTOR.bytes + VECTOR.length;
		this.memory.view.setUint32(at, bytes, true);
		this.#queued++;
	}

	/** Sends a copy of a frame, and what is queued before it. */
	put(frame: Uint8Array): void {
		if (this.isFull) this.send();
		this.memory.bytes.set(frame, this.room);
		this.queue(frame.length);
		this.send();
	}

	/** Sends all that is queued; returns how many frames could not leave, and are lost. */
	send(): number {
		const count = this.#queued;
		let lost = 0;
		for (let first = 0; first < count; ) {
			const at = this.memory.address + this.#messages + first * MESSAGE.bytes;
			const sent = sendmmsg(this.fd, at, count - first, MSG_DONTWAIT);
			if (sent < 1) lost++;
			first += Math.max(1, sent);
		}
		this.#queued = 0;
		return lost;
	}

	#prepare(slot: number): void {
		const { view, address } = this.memory;
		const message = this.#messages + slot * MESSAGE.bytes;
		const vector = this.#vectors + slot * VECTOR.bytes;
		const set = (at: number, value: number) =>
			view.setBigUint64(at, BigInt(value), true);
		set(message + MESSAGE.vector, address + vector);
		set(message + MESSAGE.vectors, 1);
		set(vector + VECTOR.base, address + slot * this.#slotBytes);
	}
}
