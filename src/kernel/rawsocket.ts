/** Sends whole Ethernet frames on an interface (packet(7)), for probes. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import * as koffi from "koffi";
import { interfaceName, withNetns } from "./enter.js";
import { KernelError, systemError } from "./error.js";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const SOCKADDR_LL_BYTES = 20;

const libc = koffi.load(null);
const socket: (family: number, type: number, protocol: number) => number =
	libc.func("int socket(int family, int type, int protocol)");
const bind: (fd: number, address: Uint8Array, length: number) => number =
	libc.func("int bind(int fd, void *address, unsigned int length)");
const send: (
	fd: number,
	frame: Uint8Array,
	length: number,
	flags: number,
) => number | bigint = libc.func(
	"intptr_t send(int fd, void *frame, size_t length, int flags)",
);
const nameToIndex: (name: string) => number = libc.func(
	"unsigned int if_nametoindex(const char *name)",
);

export class RawSocket {
	#fd: number;

	/** Opens a socket that only sends: it never receives a packet. */
	constructor(
		readonly name: string,
		netns?: string,
	) {
		interfaceName(name);
		this.#fd = withNetns<number>(netns, () => {
			const ifindex = nameToIndex(name);
			if (ifindex === 0)
				throw new KernelError(
					`open ${name}`,
					"no such interface",
					"ip link show",
				);
			const NO_PROTOCOL = 0;
			const fd = socket(
				AF_PACKET,
				SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				NO_PROTOCOL,
			);
			if (fd < 0) throw systemError(`open ${name}`, koffi.errno());
			const address = Buffer.alloc(SOCKADDR_LL_BYTES);
			address.writeUInt16LE(AF_PACKET, 0);
			address.writeInt32LE(ifindex, 4);
			if (bind(fd, address, address.length) === 0) return fd;
			const errno = koffi.errno();
			closeSync(fd);
			throw systemError(`bind to ${name}`, errno);
		});
	}

	/** Sends a frame with its Ethernet header; false where the queue is full. */
	send(frame: Uint8Array): boolean {
		if (
			Number(send(this.#fd, frame, frame.length, MSG_DONTWAIT)) === frame.length
		)
			return true;
		const errno = koffi.errno();
		const { EAGAIN, ENOBUFS } = constants.errno;
		if (errno === EAGAIN || errno === ENOBUFS) return false;
		throw systemError(
			`send on ${this.name}`,
			errno,
			"is the interface up, and the frame within its MTU?",
		);
	}

	close(): void {
		if (this.#fd >= 0) closeSync(this.#fd);
		this.#fd = -1;
	}
}
