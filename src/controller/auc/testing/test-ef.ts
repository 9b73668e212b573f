/**
 * An EF as a node runs it, but for its engine: the real machine and the real way
 * to the centre, over TLS; the engine only remembers, and notices what an engine
 * must never be told.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Centre } from "../../../functions/ef-process/centre.js";
import { writeEnrolKey } from "../../../functions/ef-process/identity.js";
import { decodeAucMessage } from "../../../keys/codec.js";
import { Ef, type EfCommand, type EfEvent } from "../../../keys/ef.js";
import type { AucMessage } from "../../../keys/messages.js";
import type { SadEntry } from "../../../keys/sa.js";
import { type LinkId, linkId } from "../../../keys/spi.js";
import { TUNING } from "../../../keys/tuning.js";

export interface Loaded {
	readonly entry: SadEntry;
	/** SHA-256: the test compares keys, and keeps none. */
	readonly keyHash: string;
}

/** Retransmissions that a test does not have to wait for. */
export const FAST = {
	...TUNING,
	retransmitMs: 50,
	retransmitMaxMs: 500,
	drainMs: 50,
	graceMs: 500,
	usageMs: 200,
};

type Happening = EfEvent extends infer E
	? E extends EfEvent
		? Omit<E, "nowMs">
		: never
	: never;

export class TestEf {
	readonly loaded = new Map<number, Loaded>();
	readonly active = new Map<LinkId, number>();
	/** Hashes of all keys it ever was given. */
	readonly keys: string[] = [];
	/** Called with each message before it is acted on. */
	onMessage: (message: AucMessage) => void = () => {};
	/** It was told that its certificate does not count. */
	refused = 0;
	readonly directory: string;
	readonly #ef: Ef;
	readonly #centre: Centre;
	#timer: NodeJS.Timeout | undefined;
	#isClosed = false;

	constructor(
		readonly name: string,
		directory: string,
		readonly at: () => { host: string; port: number },
	) {
		this.directory = join(directory, `ef-${name}`);
		mkdirSync(this.directory, { recursive: true, mode: 0o700 });
		this.#ef = new Ef({
			tuning: FAST,
			random: randomBytes,
			nowMs: performance.now(),
		});
		this.#centre = new Centre({
			ef: name,
			directory: this.directory,
			onOpen: () => this.#event({ type: "connected" }),
			onLost: () => this.#event({ type: "disconnected" }),
			onMessage: (bytes) => {
				const message = decodeAucMessage(bytes);
				this.onMessage(message);
				this.#event({ type: "message", message });
			},
			onChange: () => {},
		});
	}

	get ready(): boolean {
		return this.#ef.ready;
	}

	get status() {
		return this.#centre.status;
	}

	/** Connects; with a key it enrols first. Returns the key, for the centre. */
	start(key: Buffer | null = randomBytes(32)): Buffer | undefined {
		if (key) writeEnrolKey(this.directory, key);
		this.#centre.configure(this.at());
		return key ?? undefined;
	}

	use(packets: number): void {
		for (const spi of this.active.values()) {
			this.#event({ type: "used", spi, packets, bytes: packets * 1000 });
		}
	}

	close(): void {
		this.#isClosed = true;
		clearTimeout(this.#timer);
		this.#centre.close();
	}

	#event(happening: Happening): void {
		if (this.#isClosed) return;
		/* The type of a union's member is lost by spreading it. */
		const event = { ...happening, nowMs: performance.now() } as EfEvent;
		for (const command of this.#ef.handle(event)) this.#carryOut(command);
		clearTimeout(this.#timer);
		const { nextMs } = this.#ef;
		if (!Number.isFinite(nextMs)) return;
		const waitMs = Math.max(0, nextMs - performance.now());
		this.#timer = setTimeout(() => this.#event({ type: "time" }), waitMs);
	}

	#carryOut(command: EfCommand): void {
		switch (command.type) {
			case "send":
				this.#centre.send(command.message);
				return;
			case "enrol":
				this.refused++;
				this.#centre.refuse();
				return;
			case "stop":
				this.active.delete(linkId(command));
				return;
			case "add": {
				const { key, ...entry } = command.entry;
				const keyHash = createHash("sha256").update(key.reveal()).digest("hex");
				key.wipe();
				assert.ok(!this.keys.includes(keyHash), "a key is given twice");
				this.keys.push(keyHash);
				this.loaded.set(command.spi, { entry, keyHash });
				break;
			}
			case "switch":
				assert.ok(this.loaded.has(command.spi), "switches to what it has not");
				this.active.set(linkId(command.sa), command.spi);
				break;
			case "delete": {
				const entry = this.loaded.get(command.spi)?.entry;
				this.loaded.delete(command.spi);
				if (entry && this.active.get(linkId(entry)) === command.spi) {
					this.active.delete(linkId(entry));
				}
			}
		}
		const { type: operation, spi } = command;
		setImmediate(() => this.#event({ type: "engine", operation, spi }));
	}
}
