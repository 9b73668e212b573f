/** A raw packet socket on one interface (packet(7)), in any namespace. */
import { closeSync } from "node:fs";
import * as koffi from "koffi";
import { ifindexOf, withNetns } from "./enter.js";
import { KernelError, systemError } from "./error.js";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000; // SOCK_CLOEXEC | SOCK_NONBLOCK
/** In network byte order, as the socket takes it. */
const EVERY_PROTOCOL = 0x0300;
const NO_PROTOCOL = 0;

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

export interface InterfaceName {
	readonly interface: string;
	/** Namespace of the interface by name; where this process is if absent. */
	readonly netns?: string;
}

export class PacketSocket {
	protected readonly fd: number;
	#closed = false;

	/** Hears and says nothing before it is bound. */
	constructor({ interface: name, netns }: InterfaceName) {
		this.fd = withNetns<number>(netns, () => {
			const fd = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, NO_PROTOCOL);
			if (fd < 0) throw systemError(`open interface ${name}`, koffi.errno());
			return fd;
		});
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		closeSync(this.fd);
	}

	protected get isClosed(): boolean {
		return this.#closed;
	}

	protected set(
		operation: string,
		level: number,
		option: number,
		value: Uint8Array,
	): void {
		if (setsockopt(this.fd, level, option, value, value.length) !== 0)
			throw systemError(operation, koffi.errno());
	}

	/** To frames that come in, or to none: then it only sends. */
	protected bind({ interface: name, netns }: InterfaceName, hears: boolean) {
		const ifindex = ifindexOf(name, netns);
		if (ifindex === undefined)
			throw new KernelError(
				`open interface ${name}`,
				"no such interface",
				"ip link show",
			);
		const address = Buffer.alloc(20);
		address.writeUInt16LE(AF_PACKET, 0);
		address.writeUInt16LE(hears ? EVERY_PROTOCOL : NO_PROTOCOL, 2);
		address.writeInt32LE(ifindex, 4);
		if (bind(this.fd, address, address.length) !== 0)
			throw systemError(`bind to ${name}`, koffi.errno());
	}
}

export function word(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}
