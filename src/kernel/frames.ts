/** Sends Ethernet frames on many interfaces with one system call (sendmmsg(2)). */
import { closeSync } from "node:fs";
import * as koffi from "koffi";
import { withNetns } from "./enter.js";
import { systemError } from "./error.js";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
/** It only sends: it never receives a packet. */
const NO_PROTOCOL = 0;

/** struct sockaddr_ll, iovec and mmsghdr of 64-bit Linux, in bytes. */
const ADDRESS = { size: 20, ifindex: 4, room: 24 };
const VECTOR = { length: 8, size: 16 };
const MESSAGE = { addressLength: 8, vectors: 16, vectorCount: 24, size: 64 };

const libc = koffi.load(null);
const socket: (family: number, type: number, protocol: number) => number =
	libc.func("int socket(int family, int type, int protocol)");
const sendmmsg: (
	fd: number,
	messages: Uint8Array,
	count: number,
	flags: number,
) => number = libc.func(
	"int sendmmsg(int fd, void *messages, unsigned int count, int flags)",
);

/** A frame with its Ethernet header, and where it is sent, made ready once. */
export class Frame {
	/** struct mmsghdr, which points into the rest. */
	readonly message: Buffer;

	constructor(ifindex: number, bytes: Uint8Array) {
		const payload = MESSAGE.size + ADDRESS.room + VECTOR.size;
		const all = Buffer.alloc(payload + bytes.length);
		const base = koffi.address(all);
		const at = (offset: number) => base + BigInt(offset);
		const address = MESSAGE.size;
		const vector = address + ADDRESS.room;
		all.writeBigUInt64LE(at(address), 0);
		all.writeUInt32LE(ADDRESS.size, MESSAGE.addressLength);
		all.writeBigUInt64LE(at(vector), MESSAGE.vectors);
		all.writeBigUInt64LE(1n, MESSAGE.vectorCount);
		all.writeUInt16LE(AF_PACKET, address);
		all.writeInt32LE(ifindex, address + ADDRESS.ifindex);
		all.writeBigUInt64LE(at(payload), vector);
		all.writeBigUInt64LE(BigInt(bytes.length), vector + VECTOR.length);
		all.set(bytes, payload);
		this.message = all.subarray(0, MESSAGE.size);
	}
}

export class FrameSocket {
	#fd: number;
	#messages = Buffer.alloc(0);

	constructor(netns?: string) {
		this.#fd = withNetns<number>(netns, () => {
			const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
			const fd = socket(AF_PACKET, type, NO_PROTOCOL);
			if (fd < 0) throw systemError("open packet socket", koffi.errno());
			return fd;
		});
	}

	/** How many left: not those whose interface is down, gone, or has no room. */
	send(frames: readonly Frame[]): number {
		const bytes = frames.length * MESSAGE.size;
		if (this.#messages.length < bytes) this.#messages = Buffer.alloc(2 * bytes);
		frames.forEach(({ message }, i) => {
			message.copy(this.#messages, i * MESSAGE.size);
		});
		let sent = 0;
		for (let next = 0; next < frames.length; ) {
			/* Ends before the first that fails, and says so when that one is in front. */
			const done = sendmmsg(
				this.#fd,
				this.#messages.subarray(next * MESSAGE.size),
				frames.length - next,
				MSG_DONTWAIT,
			);
			sent += Math.max(0, done);
			next += Math.max(1, done);
		}
		return sent;
	}

	close(): void {
		if (this.#fd >= 0) closeSync(this.#fd);
		this.#fd = -1;
	}
}
