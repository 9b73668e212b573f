/**
 * A netlink socket (netlink(7)) for what no tool can be given safely: keys would
 * be in its arguments. Requests are answered within the system call.
 */
import { closeSync } from "node:fs";
import * as koffi from "koffi";
import { withNetns } from "./enter.js";
import { KernelError, systemError } from "./error.js";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2000000 | 0o4000; /* SOCK_CLOEXEC | SOCK_NONBLOCK */
const EAGAIN = 11;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const HEADER_BYTES = 16;
const ATTRIBUTE_BYTES = 4;
/** More than any answer we ask for. */
const ANSWER_BYTES = 16_384;

const libc = koffi.load(null);
const socket: (family: number, type: number, protocol: number) => number =
	libc.func("int socket(int family, int type, int protocol)");
const bind: (fd: number, address: Uint8Array, length: number) => number =
	libc.func("int bind(int fd, void *address, unsigned int length)");
const send: (
	fd: number,
	bytes: Uint8Array,
	length: number,
	flags: number,
) => number | bigint = libc.func(
	"intptr_t send(int fd, void *bytes, size_t length, int flags)",
);
const recv: typeof send = libc.func(
	"intptr_t recv(int fd, void *bytes, size_t length, int flags)",
);

export interface NetlinkMessage {
	readonly type: number;
	/** Behind the header; valid until the next message is read. */
	readonly body: Buffer;
}

export class Netlink {
	readonly #fd: number;
	readonly #answer = Buffer.alloc(ANSWER_BYTES);
	#sequence = 0;
	#poll: koffi.node.PollHandle | undefined;
	#closed = false;

	/** `groups`: a bit for each multicast group to hear. */
	constructor(protocol: number, netns?: string, groups = 0) {
		this.#fd = withNetns<number>(netns, () => {
			const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_FLAGS, protocol);
			if (fd < 0) throw systemError("open netlink socket", koffi.errno());
			/* struct sockaddr_nl */
			const address = Buffer.alloc(12);
			address.writeUInt16LE(AF_NETLINK, 0);
			address.writeUInt32LE(groups, 8);
			if (bind(fd, address, address.length) === 0) return fd;
			const errno = koffi.errno();
			closeSync(fd);
			throw systemError("bind netlink socket", errno);
		});
	}

	/**
	 * Sends a request, whose bytes are wiped, and hands its answer to `read`: the
	 * answer is wiped, too. Throws what the kernel refuses it for.
	 */
	ask<T>(
		operation: string,
		type: number,
		body: readonly Buffer[],
		read: (answer: NetlinkMessage) => T,
	): T {
		this.#send(operation, type, NLM_F_REQUEST, body);
		try {
			for (const message of this.#receive(operation)) {
				if (message.type === NLMSG_ERROR) refuse(operation, message.body);
				else return read(message);
			}
			throw new KernelError(operation, "the kernel did not answer");
		} finally {
			this.#answer.fill(0);
		}
	}

	/** Sends a request that is only acknowledged. */
	tell(
		operation: string,
		type: number,
		body: readonly Buffer[],
		flags = 0,
	): void {
		this.#send(operation, type, NLM_F_REQUEST | NLM_F_ACK | flags, body);
		for (const message of this.#receive(operation)) {
			if (message.type !== NLMSG_ERROR) continue;
			refuse(operation, message.body);
			return;
		}
		throw new KernelError(operation, "the kernel did not answer");
	}

	/** What has come by its groups since the last call. */
	*heard(): Generator<NetlinkMessage> {
		for (;;) {
			let any = false;
			for (const message of this.#receive("read netlink events")) {
				any = true;
				yield message;
			}
			if (!any) return;
		}
	}

	/** Calls whenever something is there, until close(). */
	onReady(handle: () => void): void {
		this.#poll = koffi.node.poll(this.#fd, { readable: true }, handle);
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#poll?.close();
		closeSync(this.#fd);
	}

	#send(
		operation: string,
		type: number,
		flags: number,
		body: readonly Buffer[],
	): void {
		const header = Buffer.alloc(HEADER_BYTES);
		const message = Buffer.concat([header, ...body]);
		message.writeUInt32LE(message.length, 0);
		message.writeUInt16LE(type, 4);
		message.writeUInt16LE(flags, 6);
		message.writeUInt32LE(++this.#sequence, 8);
		const sent = Number(send(this.#fd, message, message.length, 0));
		const errno = koffi.errno();
		for (const part of [message, ...body]) part.fill(0);
		if (sent < 0) throw systemError(operation, errno);
	}

	/** The messages of one datagram; none where nothing has come. */
	*#receive(operation: string): Generator<NetlinkMessage> {
		const answer = this.#answer;
		const bytes = Number(recv(this.#fd, answer, answer.length, 0));
		if (bytes < 0) {
			const errno = koffi.errno();
			if (errno === EAGAIN) return;
			throw systemError(operation, errno);
		}
		for (let at = 0; at + HEADER_BYTES <= bytes; ) {
			const length = answer.readUInt32LE(at);
			if (length < HEADER_BYTES || at + length > bytes) return;
			yield {
				type: answer.readUInt16LE(at + 4),
				body: answer.subarray(at + HEADER_BYTES, at + length),
			};
			at += align(length);
		}
	}
}

/** NLMSG_ERROR with 0 is an acknowledgement. */
function refuse(operation: string, body: Buffer): void {
	const errno = body.readInt32LE(0);
	if (errno !== 0) throw systemError(operation, errno);
}

/** An attribute; `data` is wiped, as the result holds a copy. */
export function attribute(type: number, data: Buffer): Buffer {
	const bytes = Buffer.alloc(align(ATTRIBUTE_BYTES + data.length));
	bytes.writeUInt16LE(ATTRIBUTE_BYTES + data.length, 0);
	bytes.writeUInt16LE(type, 2);
	data.copy(bytes, ATTRIBUTE_BYTES);
	data.fill(0);
	return bytes;
}

/** What is behind the fixed part of a message; undefined where there is none. */
export function findAttribute(
	body: Buffer,
	from: number,
	type: number,
): Buffer | undefined {
	for (let at = from; at + ATTRIBUTE_BYTES <= body.length; ) {
		const length = body.readUInt16LE(at);
		if (length < ATTRIBUTE_BYTES || at + length > body.length) return undefined;
		if (body.readUInt16LE(at + 2) === type)
			return body.subarray(at + ATTRIBUTE_BYTES, at + length);
		at += align(length);
	}
	return undefined;
}

function align(bytes: number): number {
	return (bytes + 3) & ~3;
}
