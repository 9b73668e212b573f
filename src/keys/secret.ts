/**
 * Key material that cannot be printed: whatever turns a value into text (logs,
 * JSON, inspect, templates) gets a fixed word. Only `reveal` gives the bytes.
 */
import { timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const SHOWN = "[secret]";

/** Random bytes from outside; node:crypto's `randomBytes` in production. */
export type RandomBytes = (length: number) => Buffer;

export class Secret {
	readonly #bytes: Buffer;
	#wiped = false;

	/** Takes the bytes over: the ones given are wiped. */
	constructor(bytes: Uint8Array) {
		this.#bytes = Buffer.alloc(bytes.length);
		this.#bytes.set(bytes);
		bytes.fill(0);
	}

	/** Bytes of the secret; none once it is wiped. */
	get length(): number {
		return this.#wiped ? 0 : this.#bytes.length;
	}

	get wiped(): boolean {
		return this.#wiped;
	}

	/** The bytes themselves, not a copy: valid until `wipe`, never to be kept. */
	reveal(): Buffer {
		if (this.#wiped) {
			throw new Error("secret: is wiped (it was used after its time)");
		}
		return this.#bytes;
	}

	/** A secret of its own, which outlives this one. */
	copy(): Secret {
		return new Secret(Buffer.from(this.reveal()));
	}

	/** In constant time for secrets of the same length. */
	equals(other: Uint8Array): boolean {
		const mine = this.reveal();
		return mine.length === other.length && timingSafeEqual(mine, other);
	}

	/** Overwrites the bytes; may be called again. */
	wipe(): void {
		this.#bytes.fill(0);
		this.#wiped = true;
	}

	toString(): string {
		return SHOWN;
	}

	toJSON(): string {
		return SHOWN;
	}

	[inspect.custom](): string {
		return SHOWN;
	}
}

/** What may be logged, audited or answered: no Secret fits into it. */
export type Plain = string | number | boolean | undefined | PlainList;
type PlainList = readonly Plain[] | { readonly [name: string]: Plain };
