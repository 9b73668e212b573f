/**
 * What is in front of the IP packet in an EF's frames: Ethernet, and the NSH of
 * the packet's path where there is one, which stays as it is but for the next
 * protocol.
 */
import type { Memory } from "../../kernel/memory.js";
import { EtherType } from "../../wire/ethernet.js";
import { NshNext } from "../../wire/nsh.js";

export const ETHERNET_BYTES = 14;
const WORD_BYTES = 4;
/** Base and service path header: RFC 8300 §2. */
const SHORTEST_NSH_BYTES = 8;
const NSH = { lengthMask: 0x3f, versionMask: 0xc000, next: 3, path: 4 };

/** Packets without NSH belong to no path. */
export const NO_PATH = 0;

/** Where the IP packet of a frame starts; 0 where there is none. */
export function packetOffset(
	view: DataView,
	at: number,
	bytes: number,
): number {
	if (bytes <= ETHERNET_BYTES) return 0;
	const type = view.getUint16(at + 12);
	if (type !== EtherType.nsh) {
		const version = view.getUint8(at + ETHERNET_BYTES) >> 4;
		return type === etherType(version) ? ETHERNET_BYTES : 0;
	}
	const nsh = at + ETHERNET_BYTES;
	if (bytes <= ETHERNET_BYTES + SHORTEST_NSH_BYTES) return 0;
	const base = view.getUint16(nsh);
	const length = (base & NSH.lengthMask) * WORD_BYTES;
	if (base & NSH.versionMask || length < SHORTEST_NSH_BYTES) return 0;
	if (bytes <= ETHERNET_BYTES + length) return 0;
	const version = view.getUint8(nsh + length) >> 4;
	return view.getUint8(nsh + NSH.next) === nextProtocol(version)
		? ETHERNET_BYTES + length
		: 0;
}

/** Service path header of a frame whose packet starts at `offset`. */
export function pathOf(view: DataView, at: number, offset: number): number {
	return offset === ETHERNET_BYTES
		? NO_PATH
		: view.getUint32(at + ETHERNET_BYTES + NSH.path);
}

/** The Ethernet addresses that frames of one side leave with. */
export class FrameHeader {
	readonly #words: readonly [number, number, number];

	/** MAC addresses, 6 bytes each. */
	constructor(dst: Uint8Array, src: Uint8Array) {
		const bytes = Buffer.concat([dst, src]);
		this.#words = [
			bytes.readUInt32BE(0),
			bytes.readUInt32BE(4),
			bytes.readUInt32BE(8),
		];
	}

	/** Writes what is in front of a packet of `family`, as it was at `at`. */
	write(
		from: Memory,
		at: number,
		offset: number,
		family: number,
		to: Memory,
		toAt: number,
	): void {
		const { view } = to;
		const [first, second, third] = this.#words;
		view.setUint32(toAt, first);
		view.setUint32(toAt + 4, second);
		view.setUint32(toAt + 8, third);
		if (offset === ETHERNET_BYTES) {
			view.setUint16(toAt + 12, etherType(family));
			return;
		}
		view.setUint16(toAt + 12, EtherType.nsh);
		for (let i = ETHERNET_BYTES; i < offset; i += WORD_BYTES)
			view.setUint32(toAt + i, from.view.getUint32(at + i));
		view.setUint8(toAt + ETHERNET_BYTES + NSH.next, nextProtocol(family));
	}
}

/** Of an IP version; -1 for what is none. */
function etherType(version: number): number {
	if (version === 4) return EtherType.ipv4;
	return version === 6 ? EtherType.ipv6 : -1;
}

function nextProtocol(version: number): number {
	if (version === 4) return NshNext.ipv4;
	return version === 6 ? NshNext.ipv6 : -1;
}
