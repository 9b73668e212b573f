/**
 * A simulated EF: the real agent machine and an engine that does what it is told,
 * late, and sometimes not. It watches what an engine must never be told.
 */
import assert from "node:assert/strict";
import type { Random } from "../../plan/random.js";
import { Ef, type EfCommand, type EfEvent } from "../ef.js";
import type { EfMessage } from "../messages.js";
import type { KeyedEntry, SadEntry, SaRef } from "../sa.js";
import type { EngineCommand } from "../sad.js";
import type { RandomBytes } from "../secret.js";
import { espSpi, type LinkId, linkId } from "../spi.js";
import type { Tuning } from "../tuning.js";

/** An SA in an engine. */
export interface Loaded {
	readonly entry: SadEntry;
	readonly key: string;
	readonly issuedMs: number;
	packets: number;
}

/** What a station needs of its world. */
export interface Surroundings {
	readonly random: Random;
	readonly bytes: RandomBytes;
	readonly tuning: Tuning;
	readonly nowMs: number;
	/** Percent of engine operations that fail. */
	readonly failPercent: number;
	later(delayMs: number, action: () => void): void;
	note(happening: string): void;
	send(from: string, message: EfMessage): void;
	/** Checks that a link's traffic may stop. */
	stopped(at: Station, loaded: Loaded): void;
	/** SAs that are gone because their EF crashed. */
	crashed(sas: readonly SaRef[]): void;
	/** Keys that ever encrypted, by the engine entry that did. */
	readonly encrypted: Map<string, Loaded>;
}

/** A command on its way through the engine, and when it was given. */
interface Order {
	readonly command: Exclude<EngineCommand, { type: "stop" }>;
	readonly atMs: number;
}

/** Bytes of a packet. */
const PACKET = 100;
const PACKETS_PER_MS = 10;

export class Station {
	readonly loaded = new Map<number, Loaded>();
	readonly active = new Map<LinkId, number>();
	agent: Ef | undefined;
	/** It knows a way to the centre, as far as it was told. */
	connected = false;
	#engine: Order[] = [];
	/** Counts lives, so that nothing of a former one is answered. */
	#life = 0;

	constructor(
		readonly name: string,
		/** Its engine outlives its agent, as a kernel's does. */
		readonly kernel: boolean,
		private readonly around: Surroundings,
	) {
		this.start();
	}

	start(): void {
		const { tuning, bytes, nowMs } = this.around;
		const installed = [...this.loaded].map(([spi, { entry, issuedMs }]) => ({
			...entry,
			ageMs: nowMs - issuedMs,
			active: this.active.get(linkId(entry)) === spi,
		}));
		this.agent = new Ef({ tuning, random: bytes, nowMs, installed });
		this.event({ type: "connected" });
	}

	crash(): void {
		this.agent = undefined;
		this.around.note(`${this.name} crashes`);
		this.#life++;
		/* Some of what it had asked for is done nevertheless, and not answered. */
		const { random } = this.around;
		const done = this.#engine.slice(0, random.below(this.#engine.length + 1));
		for (const order of done) this.#execute(order);
		this.#engine = [];
		if (!this.kernel) {
			this.around.crashed([...this.loaded.values()].map(({ entry }) => entry));
			this.loaded.clear();
			this.active.clear();
		}
	}

	event(event: DistributiveOmit<EfEvent, "nowMs">): void {
		if (!this.agent) return;
		const { nowMs, random } = this.around;
		if (event.type === "connected") this.connected = true;
		else if (event.type === "disconnected") this.connected = false;
		const commands = this.agent.handle({ ...event, nowMs } as EfEvent);
		assert.ok(this.agent.nextMs > nowMs, `${this.name} is never content`);
		/* Now and then it dies in the middle of what it does. */
		const dies = commands.length > 1 && random.below(400) === 0;
		const upTo = dies ? random.below(commands.length) : commands.length;
		for (const command of commands.slice(0, upTo)) this.#command(command);
		if (dies) {
			this.crash();
			this.around.later(random.below(500), () => this.agent ?? this.start());
		}
	}

	/** Time passes: senders encrypt, and the engine tells how much. */
	traffic(elapsedMs: number): void {
		for (const spi of this.active.values()) {
			const loaded = this.loaded.get(spi);
			assert.ok(loaded, `${this.name} encrypts with an SA it has not`);
			const before = this.around.encrypted.get(loaded.key);
			assert.ok(
				before === undefined || before === loaded,
				`${this.name} uses a key twice: nonces repeat`,
			);
			this.around.encrypted.set(loaded.key, loaded);
			loaded.packets += elapsedMs * PACKETS_PER_MS;
		}
		if (!this.agent) this.#expire();
		for (const [spi, { packets }] of this.loaded) {
			this.event({ type: "used", spi, packets, bytes: packets * PACKET });
		}
	}

	/** A kernel ends SAs by itself, as XFRM does; their agent is not there. */
	#expire(): void {
		for (const [spi, { entry, issuedMs, packets }] of this.loaded) {
			const { timeMs, bytes, packets: most } = entry.hard;
			const over =
				this.around.nowMs - issuedMs >= timeMs ||
				packets >= most ||
				packets * PACKET >= bytes;
			if (!over) continue;
			this.loaded.delete(spi);
			const link = linkId(entry);
			if (this.active.get(link) === spi) this.active.delete(link);
		}
	}

	#command(command: EfCommand): void {
		const { random } = this.around;
		if (command.type === "send") {
			this.around.send(this.name, command.message);
			return;
		}
		if (command.type === "enrol") return;
		if (command.type === "stop") {
			/* In order with what was asked before. */
			this.#flush();
			const link = linkId(command);
			const loaded = this.loaded.get(this.active.get(link) ?? -1);
			if (loaded) this.#stop(loaded);
			return;
		}
		this.#engine.push({ command, atMs: this.around.nowMs });
		const life = this.#life;
		this.around.later(random.below(5), () => {
			if (life === this.#life) this.#next();
		});
	}

	#isActive({ entry }: Loaded): boolean {
		return this.active.get(linkId(entry)) === espSpi(entry);
	}

	#stop(loaded: Loaded): void {
		const { entry } = loaded;
		this.around.note(`${this.name} stops ${linkId(entry)}`);
		this.around.stopped(this, loaded);
		this.active.delete(linkId(entry));
	}

	#flush(): void {
		const life = this.#life;
		for (const order of this.#engine.splice(0)) {
			const failure = this.#execute(order);
			this.around.later(1, () => {
				if (life === this.#life) this.#answer(order, failure);
			});
		}
	}

	#next(): void {
		const order = this.#engine.shift();
		if (order) this.#answer(order, this.#execute(order));
	}

	#answer({ command }: Order, failure: string | undefined): void {
		const { type: operation, spi } = command;
		this.event({
			type: "engine",
			operation,
			spi,
			...(failure === undefined ? {} : { failure }),
		});
	}

	#execute({ command, atMs }: Order): string | undefined {
		const { random, failPercent } = this.around;
		const fails = random.chance(failPercent);
		const result = fails ? "fails" : "is done";
		this.around.note(
			`${this.name} ${command.type} ${command.spi >>> 4}/${command.spi % 16} ${result}`,
		);
		if (command.type === "add") {
			const loaded = this.#load(command.entry, atMs);
			if (fails) return "engine: no room (lab)";
			assert.ok(!this.loaded.has(command.spi), "an SPI is taken twice");
			this.loaded.set(command.spi, loaded);
		} else if (fails) {
			return "engine: is busy (lab)";
		} else if (command.type === "switch") {
			this.#switch(command.sa);
		} else {
			const loaded = this.loaded.get(command.spi);
			if (loaded && this.#isActive(loaded)) this.#stop(loaded);
			this.loaded.delete(command.spi);
		}
		return undefined;
	}

	#load({ key, ...entry }: KeyedEntry, atMs: number): Loaded {
		const text = key.reveal().toString("hex");
		key.wipe();
		const issuedMs = atMs - entry.ageMs;
		return { entry, key: text, issuedMs, packets: 0 };
	}

	#switch(sa: SaRef): void {
		const link = linkId(sa);
		const spi = espSpi(sa);
		const next = this.loaded.get(spi)?.entry;
		assert.equal(next?.generation, sa.generation, "switched to nothing");
		const before = this.loaded.get(this.active.get(link) ?? -1)?.entry;
		assert.ok(
			(before?.generation ?? 0) <= sa.generation,
			"switched back to an older SA",
		);
		this.active.set(link, spi);
	}
}

export type DistributiveOmit<T, K extends PropertyKey> = T extends unknown
	? Omit<T, K>
	: never;
