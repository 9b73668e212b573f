/** The Internet checksum (RFC 1071) and the pseudo-headers of IPv4 and IPv6. */
import { addressBytes } from "./address.js";

/** Ones' complement of the ones' complement sum over all parts, in order. */
export function checksum(...parts: readonly Uint8Array[]): number {
	let sum = 0;
	let odd = 0;
	for (const part of parts) {
		for (const byte of part) {
			sum += odd === 0 ? byte << 8 : byte;
			odd ^= 1;
		}
	}
	while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
	return ~sum & 0xffff;
}

/**
 * What TCP, UDP and ICMPv6 checksum ahead of their own bytes: RFC 9293 §3.1
 * (IPv4), RFC 8200 §8.1 (IPv6). `length` is that of header and data, in bytes.
 */
export function pseudoHeader(
	src: string,
	dst: string,
	proto: number,
	length: number,
): Buffer {
	const tail = Buffer.alloc(src.includes(":") ? 8 : 4);
	if (tail.length === 8) tail.writeUInt32BE(length, 0);
	else tail.writeUInt16BE(length, 2);
	tail.writeUInt8(proto, tail.length === 8 ? 7 : 1);
	return Buffer.concat([addressBytes(src), addressBytes(dst), tail]);
}
