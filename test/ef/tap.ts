/** An interface to put frames on, and all that it receives. */
import { RawSocket } from "../../src/kernel/rawsocket.js";
import { ReceiveRing } from "../../src/kernel/rings.js";

export class Tap {
	readonly #socket: RawSocket;
	readonly #ring: ReceiveRing;
	readonly #taken: Buffer[] = [];

	constructor(netns: string, name: string) {
		this.#socket = new RawSocket(name, netns);
		this.#ring = new ReceiveRing({
			interface: name,
			netns,
			slotBytes: 2048,
			slots: 1024,
		});
	}

	put(frame: Buffer): void {
		if (!this.#socket.send(frame)) throw new Error("tap: its queue is full");
	}

	/** How many frames have come since the last take(). */
	get count(): number {
		const ring = this.#ring;
		for (; ring.ready; ring.release())
			this.#taken.push(
				Buffer.from(ring.memory.bytes.subarray(ring.at, ring.at + ring.bytes)),
			);
		return this.#taken.length;
	}

	take(): Buffer[] {
		return this.#taken.splice(0, this.count);
	}

	close(): void {
		this.#socket.close();
		this.#ring.close();
	}
}
