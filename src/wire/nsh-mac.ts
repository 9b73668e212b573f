/**
 * Integrity of NSH (RFC 9145): the MAC#1 context header, without encrypted
 * metadata, and so without a nonce; its authentication code is HMAC-SHA-256-128.
 */
import { type Decoded, field, Reader } from "./bytes.js";

/** Classes, types and sizes in bytes. */
export const NSH_MAC = {
	/** RFC 9145: over the service path header, all metadata and the packet. */
	class: 0x0000,
	type: 0x02,
	/** Ours, of a class for experiments: the same without the packet. */
	headerClass: 0xfff6,
	headerType: 0x02,
	/** Ours: the context of MD type 1, and the packet's 64-bit sequence number. */
	contextClass: 0xfff6,
	contextType: 0x01,
	context: 24,
	key: 32,
	keyId: 4,
	mac: 16,
	/** Lengths, key identifier, timestamp, MAC. */
	value: 1 + 4 + 8 + 1 + 16,
} as const;

export interface NshMac {
	readonly keyId: number;
	/** Seconds since 1970 in the upper 32 bits, their fraction in the lower. */
	readonly timestamp: bigint;
	readonly mac: Uint8Array;
}

/** Reads the value of the context header. */
export function decodeNshMac(bytes: Uint8Array): Decoded<NshMac> {
	const reader = new Reader("nsh-mac", bytes, 0);
	const keyIdBytes = reader.u8();
	if (keyIdBytes !== NSH_MAC.keyId)
		reader.fail(`key identifier has ${keyIdBytes} bytes, not 4`);
	const keyId = reader.u32();
	const timestamp = (BigInt(reader.u32()) << 32n) | BigInt(reader.u32());
	const nonceBytes = reader.u8();
	if (nonceBytes !== 0)
		reader.fail(
			`nonce has ${nonceBytes} bytes, without encryption it has none`,
		);
	return reader.done({ keyId, timestamp, mac: reader.bytes(NSH_MAC.mac) });
}

/** Writes the value of the context header. */
export function encodeNshMac({ keyId, timestamp, mac }: NshMac): Buffer {
	const head = Buffer.alloc(NSH_MAC.value - NSH_MAC.mac);
	head.writeUInt8(NSH_MAC.keyId, 0);
	head.writeUInt32BE(field("keyId", keyId, 32), 1);
	head.writeBigUInt64BE(timestamp, 5);
	return Buffer.concat([head, mac]);
}

/** Timestamp of a time in milliseconds since 1970. */
export function nshTimestamp(wallMs: number): bigint {
	return (BigInt(Math.round(wallMs)) << 32n) / 1000n;
}
