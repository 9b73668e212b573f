/** Reads a ring buffer map: the event loop waits for it, no timer. */
import * as koffi from "koffi";
import type { Codec } from "./codec.js";
import { KernelError } from "./error.js";
import { libbpf, type Pointer } from "./libbpf.js";

const SAMPLE = koffi.pointer(
	koffi.proto(
		"int chainmail_ring_sample(void *context, void *data, size_t size)",
	),
);

export class RingReader<T> {
	readonly #ring: Pointer;
	readonly #callback: Pointer;
	readonly #poll: koffi.node.PollHandle;
	#failure: unknown;
	#closed = false;

	/**
	 * Calls `handle` for each record of the map `fd`, which must stay open until
	 * close(). Records of another size than `codec` are passed over.
	 */
	constructor(fd: number, codec: Codec<T>, handle: (record: T) => void) {
		const lib = libbpf();
		const sample = (
			_context: Pointer | null,
			data: Pointer,
			size: number | bigint,
		): number => {
			if (Number(size) < codec.size) return 0;
			try {
				handle(codec.decode(Buffer.from(koffi.view(data, codec.size))));
			} catch (error) {
				/* An exception must not cross the C frames: consume() throws it. */
				this.#failure ??= error;
			}
			return 0;
		};
		this.#callback = koffi.register(sample, SAMPLE);
		const ring = lib.ringNew(fd, this.#callback, null, null);
		if (!ring) {
			koffi.unregister(this.#callback);
			throw new KernelError(
				"open ring buffer",
				"libbpf refused the map",
				"is it a ring buffer?",
			);
		}
		this.#ring = ring;
		this.#poll = koffi.node.poll(lib.ringFd(ring), { readable: true }, () =>
			this.consume(),
		);
	}

	/** Handles what is there now; returns the number of records. */
	consume(): number {
		const count = libbpf().ringConsume(this.#ring);
		const failure = this.#failure;
		this.#failure = undefined;
		if (failure !== undefined) throw failure;
		return count;
	}

	/** Lets the process end although the reader is open. */
	unref(): void {
		this.#poll.unref();
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#poll.close();
		libbpf().ringFree(this.#ring);
		koffi.unregister(this.#callback);
	}
}
