/** ESP (RFC 4303) as AES-GCM lays it out (RFC 4106), with a 16-byte ICV. */
import { asBuffer, type Decoded, DecodeError, field, Reader } from "./bytes.js";

/** Sizes in bytes: RFC 4303 §2, RFC 4106 §3.1, §6 and §8.1. */
export const ESP = {
	/** SPI and sequence number. */
	header: 8,
	iv: 8,
	icv: 16,
	/** Pad length and next header, behind the padding. */
	trailer: 2,
	/** Payload, padding and trailer fill whole words (RFC 4303 §2.4). */
	alignment: 4,
	maxPadding: 255,
	salt: 4,
	/** Salt and IV. */
	nonce: 12,
} as const;

export interface Esp {
	readonly spi: number;
	/** The 32 bits that travel; the upper half of an extended one does not. */
	readonly sequence: number;
	readonly iv: Uint8Array;
	/** Payload, padding and trailer, encrypted. */
	readonly ciphertext: Uint8Array;
	readonly icv: Uint8Array;
}

/** What the ciphertext holds. */
export interface EspPayload {
	readonly payload: Uint8Array;
	readonly padding: number;
	/** IP protocol of the payload: 4 or 41 in tunnel mode, 59 for a dummy. */
	readonly nextHeader: number;
}

/** Reads to the end of `bytes`, whose length the IP header has settled. */
export function decodeEsp(bytes: Uint8Array, offset = 0): Decoded<Esp> {
	const reader = new Reader("esp", bytes, offset);
	const spi = reader.u32();
	const sequence = reader.u32();
	const iv = reader.bytes(ESP.iv);
	const length = reader.remaining - ESP.icv;
	if (length < ESP.alignment) reader.fail("too short for trailer and ICV");
	if (length % ESP.alignment !== 0)
		reader.fail(`ciphertext of ${length} bytes does not fill whole words`);
	const ciphertext = reader.bytes(length);
	const icv = reader.bytes(ESP.icv);
	return reader.done({ spi, sequence, iv, ciphertext, icv });
}

/** Writes every field as given. */
export function encodeEsp(header: Esp): Buffer {
	const head = Buffer.alloc(ESP.header);
	head.writeUInt32BE(field("spi", header.spi, 32), 0);
	head.writeUInt32BE(field("sequence", header.sequence, 32), 4);
	return Buffer.concat([head, header.iv, header.ciphertext, header.icv]);
}

/** Bytes of padding behind a payload of `length` bytes. */
export function espPadding(length: number): number {
	return -(length + ESP.trailer) & (ESP.alignment - 1);
}

/** Payload with the least padding (1, 2, 3 …: RFC 4303 §2.4) and trailer. */
export function encodeEspPayload(
	payload: Uint8Array,
	nextHeader: number,
): Buffer {
	const padding = espPadding(payload.length);
	const tail = Array.from({ length: padding }, (_, i) => i + 1);
	return Buffer.concat([
		payload,
		Buffer.from([...tail, padding, field("nextHeader", nextHeader, 8)]),
	]);
}

/** Takes decrypted bytes apart; refuses padding other than 1, 2, 3 … */
export function decodeEspPayload(plaintext: Uint8Array): EspPayload {
	const bytes = asBuffer(plaintext);
	const end = bytes.length - ESP.trailer;
	if (end < 0) throw new DecodeError("esp", "no trailer", 0);
	const padding = bytes.readUInt8(end);
	const length = end - padding;
	if (length < 0)
		throw new DecodeError(
			"esp",
			`padding of ${padding} bytes is too long`,
			end,
		);
	for (let i = 0; i < padding; i++) {
		if (bytes[length + i] !== i + 1)
			throw new DecodeError("esp", "padding is not 1, 2, 3 …", length);
	}
	return {
		payload: bytes.subarray(0, length),
		padding,
		nextHeader: bytes.readUInt8(end + 1),
	};
}

/** What AES-GCM takes as its nonce: RFC 4106 §4. */
export function espNonce(salt: Uint8Array, iv: Uint8Array): Buffer {
	return Buffer.concat([salt, iv]);
}

/**
 * What AES-GCM authenticates beside the ciphertext (RFC 4106 §5): SPI and
 * sequence number, which with extended ones has its upper half in front.
 */
export function espAad(
	spi: number,
	sequence: number,
	sequenceHigh?: number,
): Buffer {
	const words =
		sequenceHigh === undefined
			? [spi, sequence]
			: [spi, sequenceHigh, sequence];
	const out = Buffer.alloc(4 * words.length);
	words.forEach((word, i) => {
		out.writeUInt32BE(field("word", word, 32), 4 * i);
	});
	return out;
}
