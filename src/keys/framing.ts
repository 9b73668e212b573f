/**
 * Messages of codec.ts in a stream of bytes, as a TLS connection is one: each has
 * its length in front, 32 bits. What comes apart is put together again.
 */
import { MessageError } from "./codec.js";

const LENGTH_BYTES = 4;
/** Longest message in bytes: the report of an EF that holds 100,000 SAs. */
export const MAX_MESSAGE_BYTES = 16 * 2 ** 20;

/** What goes into the stream; wipes the message, which may have a key in it. */
export function framed(message: Buffer): Buffer {
	const frame = Buffer.alloc(LENGTH_BYTES + message.length);
	frame.writeUInt32BE(message.length);
	frame.set(message, LENGTH_BYTES);
	message.fill(0);
	return frame;
}

/** Takes a stream apart, whatever pieces it comes in. */
export class Deframer {
	readonly #maxBytes: () => number;
	/** Of the frame that is not whole yet, or of its length. */
	#pending = Buffer.alloc(LENGTH_BYTES);
	#filled = 0;
	#isLength = true;

	/** `maxBytes`: asked at each message; a longer one ends the stream. */
	constructor(maxBytes = () => MAX_MESSAGE_BYTES) {
		this.#maxBytes = maxBytes;
	}

	/**
	 * Messages that are whole now, each with memory of its own; wipes the piece.
	 * Throws a MessageError for a message that is too long: nothing after it can
	 * be told apart.
	 */
	push(piece: Buffer): Buffer[] {
		const messages: Buffer[] = [];
		for (let at = 0; at < piece.length; ) {
			const taken = piece.copy(this.#pending, this.#filled, at);
			this.#filled += taken;
			at += taken;
			if (this.#filled < this.#pending.length) break;
			if (!this.#isLength) messages.push(this.#pending);
			this.#next();
		}
		piece.fill(0);
		return messages;
	}

	#next(): void {
		const bytes = this.#isLength ? this.#pending.readUInt32BE() : LENGTH_BYTES;
		const maxBytes = this.#maxBytes();
		if (this.#isLength && (bytes === 0 || bytes > maxBytes))
			throw new MessageError(
				`a message of ${bytes} bytes, more than ${maxBytes} or none`,
			);
		this.#isLength = !this.#isLength;
		this.#pending = Buffer.alloc(bytes);
		this.#filled = 0;
	}
}
