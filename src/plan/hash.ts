/**
 * Hashes that both sides compute alike: a flow's (twin of bpf/lib/hash.h) and
 * those of names, which place paths in consistent-hash tables.
 */
import type { Packet } from "../model/packet.js";
import { addressBytes } from "./prefix.js";

/** Bytes of `struct tuple` in bpf/maps.h. */
export const TUPLE_BYTES = 40;
/** Slots of a rule's consistent-hash table: GROUP_SLOTS in bpf/maps.h; prime. */
export const SLOTS = 251;

const SPORT = 32;
const DPORT = 34;
const PROTO = 36;

/** `struct tuple` of a packet as it lies in memory, DSCP left at 0. */
export function tupleBytes(
	packet: Pick<Packet, "src" | "dst" | "sport" | "dport" | "proto">,
): Uint8Array {
	const bytes = new Uint8Array(TUPLE_BYTES);
	const view = new DataView(bytes.buffer);
	bytes.set(addressBytes(packet.src), 0);
	bytes.set(addressBytes(packet.dst), 16);
	view.setUint16(SPORT, packet.sport);
	view.setUint16(DPORT, packet.dport);
	view.setUint8(PROTO, packet.proto);
	return bytes;
}

/** 32-bit hash of a `struct tuple`; DSCP and padding do not count. */
export function flowHash(tuple: Uint8Array): number {
	const view = new DataView(tuple.buffer, tuple.byteOffset, TUPLE_BYTES);
	let h = 0x9e3779b9;
	for (let at = 0; at < TUPLE_BYTES; at += 4) {
		const word = at === PROTO ? view.getUint8(at) : view.getUint32(at, true);
		h = Math.imul(h ^ word, 0x85ebca6b);
		h ^= h >>> 13;
	}
	h = Math.imul(h, 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 0;
}

/** Slot of a flow in a rule's table. */
export function flowSlot(tuple: Uint8Array): number {
	return flowHash(tuple) % SLOTS;
}

/** 32-bit hash of a name: FNV-1a, stirred so that near names fall far apart. */
export function textHash(text: string, seed = 0): number {
	let h = 0x811c9dc5 ^ seed;
	for (let i = 0; i < text.length; i++) {
		h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
	}
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 0;
}
