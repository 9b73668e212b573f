/** The core of the user-space engine, on one frame at a time. */
import { Clock } from "../../src/functions/ef/clock.js";
import { EfCore, type EfSides } from "../../src/functions/ef/core.js";
import type { SaEvent } from "../../src/functions/ef/sa.js";
import { Memory } from "../../src/kernel/memory.js";
import { parseMac } from "../../src/wire/address.js";

const SIDES: EfSides = {
	inside: {
		dst: parseMac("02:00:00:00:00:01"),
		src: parseMac("02:00:00:00:00:02"),
		mtuBytes: 1500,
	},
	outside: {
		dst: parseMac("02:00:00:00:00:03"),
		src: parseMac("02:00:00:00:00:04"),
		mtuBytes: 1500,
	},
};

export class InMemory {
	readonly events: SaEvent[] = [];
	readonly clock = new Clock();
	readonly core = new EfCore(
		SIDES,
		(event) => this.events.push(event),
		this.clock,
	);
	readonly #from = Memory.allocate(70_000);
	readonly #to = Memory.allocate(70_000);

	/** What a frame becomes; undefined where it is refused. */
	frame(from: "inside" | "outside", frame: Uint8Array): Buffer | undefined {
		this.#from.bytes.set(frame);
		const direction = from === "inside" ? "seal" : "open";
		const bytes = this.core[direction](
			this.#from,
			0,
			frame.length,
			this.#to,
			0,
		);
		return bytes === 0
			? undefined
			: Buffer.from(this.#to.bytes.subarray(0, bytes));
	}
}
