/** What tunnel mode needs of IP headers, read where they lie. */

import { KernelError } from "../../kernel/error.js";
import { addressBytes, familyOf } from "../../wire/address.js";
import { IpProto } from "../../wire/ipv4.js";

export const IPV4_BYTES = 20;
export const IPV6_BYTES = 40;

/** Of the tunnel: as many hops as any path of the Internet has. */
const HOP_LIMIT = 64;
const DONT_FRAGMENT = 0x4000;
const FRAGMENT = 0x3fff;

/** Congestion experienced (RFC 3168 §5). */
export const ECN_CE = 3;

/**
 * Length of an IP packet by its own header: what is behind it pads a frame. 0
 * where it is none, or not all of it is there.
 */
export function ipBytes(view: DataView, at: number, available: number): number {
	if (available < IPV4_BYTES) return 0;
	const first = view.getUint8(at);
	let bytes = 0;
	if (first >> 4 === 4) {
		bytes = view.getUint16(at + 2);
		const header = (first & 0xf) * 4;
		if (header < IPV4_BYTES || bytes < header) return 0;
	} else if (first >> 4 === 6) bytes = IPV6_BYTES + view.getUint16(at + 4);
	return bytes > available ? 0 : bytes;
}

/** Next header that ESP names an IP packet by. */
export function ipProtocol(view: DataView, at: number): number {
	return view.getUint8(at) >> 4 === 4 ? IpProto.ipv4 : IpProto.ipv6;
}

/** Length of the header in front of ESP; 0 where something else follows it. */
export function espOffset(view: DataView, at: number): number {
	const first = view.getUint8(at);
	if (first >> 4 === 6)
		return view.getUint8(at + 6) === IpProto.esp ? IPV6_BYTES : 0;
	return view.getUint8(at + 9) === IpProto.esp ? (first & 0xf) * 4 : 0;
}

export function isIpv4Fragment(view: DataView, at: number): boolean {
	return (
		view.getUint8(at) >> 4 === 4 && (view.getUint16(at + 6) & FRAGMENT) !== 0
	);
}

/** TOS or traffic class: DSCP and ECN. */
export function trafficClass(view: DataView, at: number): number {
	return view.getUint8(at) >> 4 === 4
		? view.getUint8(at + 1)
		: (view.getUint16(at) >> 4) & 0xff;
}

/** Marks a packet as congested, its checksum included (RFC 1624). */
export function markCongested(view: DataView, at: number): void {
	if (view.getUint8(at) >> 4 === 6) {
		view.setUint16(at, view.getUint16(at) | (ECN_CE << 4));
		return;
	}
	const before = view.getUint16(at);
	const after = before | ECN_CE;
	view.setUint16(at, after);
	const sum = (~view.getUint16(at + 10) & 0xffff) + (~before & 0xffff) + after;
	view.setUint16(at + 10, ~fold(sum) & 0xffff);
}

/** The outer header of an SA, of which a packet changes two fields. */
export class TunnelHeader {
	readonly family: 4 | 6;
	readonly bytes: number;
	readonly #words: readonly number[];
	/** Sum of the IPv4 header's words that never change. */
	readonly #sum: number;

	constructor({ src, dst }: { readonly src: string; readonly dst: string }) {
		this.family = familyOf(src);
		if (familyOf(dst) !== this.family)
			throw new KernelError(
				`tunnel from ${src} to ${dst}`,
				"it has two families",
				"use two addresses of IPv4, or two of IPv6",
			);
		const ends = Buffer.concat([addressBytes(src), addressBytes(dst)]);
		const head = this.family === 4 ? ipv4Template() : ipv6Template();
		const template = Buffer.concat([head, ends]);
		this.bytes = template.length;
		this.#words = Array.from({ length: this.bytes / 4 }, (_, i) =>
			template.readUInt32BE(4 * i),
		);
		this.#sum = this.#words
			.map((word) => (word >>> 16) + (word & 0xffff))
			.reduce((sum, word) => sum + word, 0);
	}

	/** Writes the header of a packet of `bytes`, itself included. */
	write(view: DataView, at: number, bytes: number, trafficClass: number): void {
		for (let i = 0; i < this.#words.length; i++)
			view.setUint32(at + 4 * i, this.#words[i] ?? 0);
		if (this.family === 6) {
			view.setUint16(at, 0x6000 | (trafficClass << 4));
			view.setUint16(at + 4, bytes - IPV6_BYTES);
			return;
		}
		view.setUint8(at + 1, trafficClass);
		view.setUint16(at + 2, bytes);
		view.setUint16(at + 10, ~fold(this.#sum + trafficClass + bytes) & 0xffff);
	}
}

/** Never fragmented, and so without an identification (RFC 6864 §4.1). */
function ipv4Template(): Buffer {
	const head = Buffer.alloc(12);
	head.writeUInt8(0x45, 0);
	head.writeUInt16BE(DONT_FRAGMENT, 6);
	head.writeUInt8(HOP_LIMIT, 8);
	head.writeUInt8(IpProto.esp, 9);
	return head;
}

function ipv6Template(): Buffer {
	const head = Buffer.alloc(8);
	head.writeUInt8(0x60, 0);
	head.writeUInt8(IpProto.esp, 6);
	head.writeUInt8(HOP_LIMIT, 7);
	return head;
}

/** A sum of 16-bit words with its carries added. */
export function fold(sum: number): number {
	const once = (sum & 0xffff) + Math.floor(sum / 0x10000);
	return (once & 0xffff) + (once >>> 16);
}
