/** Memory that TypeScript reads and native code gets by its address. */
import * as koffi from "koffi";

/** Shorter arrays may lie on V8's heap, where they move. */
const SMALLEST_BYTES = 4096;

/**
 * A stretch of memory that stays where it is. Addresses are plain numbers (user
 * space ends below 2^47): those of `bigint` would cost an allocation each.
 */
export class Memory {
	readonly view: DataView;

	private constructor(
		readonly bytes: Buffer,
		readonly address: number,
	) {
		this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	}

	/** At least `bytes` zeroes; they live as long as the object does. */
	static allocate(bytes: number): Memory {
		const buffer = Buffer.alloc(Math.max(bytes, SMALLEST_BYTES));
		return new Memory(buffer, Number(koffi.address(buffer)));
	}

	/**
	 * What is at an address, such as a mapping. The caller keeps it mapped: to
	 * read it afterwards ends the process.
	 */
	static at(address: bigint, bytes: number): Memory {
		return new Memory(Buffer.from(koffi.view(address, bytes)), Number(address));
	}
}
