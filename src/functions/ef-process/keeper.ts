/**
 * Keeps an engine's security associations as the authentication centre wants
 * them: gives the EF's machine (keys/ef.ts) what happens, and carries out what it
 * says. Works on without a centre: SAs end by themselves.
 */
import { decodeAucMessage } from "../../keys/codec.js";
import type { Ef, EfCommand, EfEvent } from "../../keys/ef.js";
import type { EfMessage } from "../../keys/messages.js";
import type { EngineCommand } from "../../keys/sad.js";
import type { EfEngine, EfUsage } from "../ef/engine.js";
import type { SaEvent } from "../ef/sa.js";
import type { ReportedSa } from "./report.js";
import { type FindTunnel, Store } from "./store.js";

/** How often the engine is asked what SAs have carried. */
const USAGE_MS = 1000;
/** An engine that takes so long to answer hangs. */
const ANSWER_MS = 10_000;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

type WithoutTime<T> = T extends unknown ? Omit<T, "nowMs"> : never;

export interface KeeperOptions {
	readonly ef: Ef;
	readonly engine: EfEngine;
	readonly tunnel: FindTunnel;
	readonly send: (message: EfMessage) => void;
	/** The centre takes another certificate. */
	readonly onUnknown: () => void;
	/** SAs came or went, or there are new counts. */
	readonly onChange: () => void;
	/** The engine works no more. */
	readonly onFailure: (error: Error) => void;
}

export class Keeper {
	readonly #options: KeeperOptions;
	readonly #store: Store;
	/** The engine does one thing after the other. */
	#queue: Promise<void> = Promise.resolve();
	#timer: NodeJS.Timeout | undefined;
	readonly #usageTimer: NodeJS.Timeout;
	#usage: EfUsage | undefined;
	#asking = false;
	#closed = false;

	constructor(options: KeeperOptions) {
		this.#options = options;
		this.#store = new Store(options.engine, options.tunnel);
		this.#usageTimer = setInterval(() => this.#measure(), USAGE_MS);
		this.#measure();
	}

	/** What the engine last said; undefined before the first time. */
	get usage(): EfUsage | undefined {
		return this.#usage;
	}

	get connected(): boolean {
		return this.#options.ef.ready;
	}

	sas(): ReportedSa[] {
		return this.#store.report(this.#usage, performance.now());
	}

	opened(): void {
		this.#event({ type: "connected" });
	}

	lost(): void {
		this.#event({ type: "disconnected" });
	}

	/** Bytes of a message of the centre; throws where they are none. */
	hear(bytes: Buffer): void {
		this.#event({ type: "message", message: decodeAucMessage(bytes) });
	}

	/** The engine tells that an SA runs out, or has. */
	ran({ kind, spi, limit }: SaEvent): void {
		if (kind === "expiring" && limit === "sequence")
			this.#event({ type: "overflow", spi });
		else this.#measure();
	}

	close(): void {
		this.#closed = true;
		clearTimeout(this.#timer);
		clearInterval(this.#usageTimer);
		this.#store.wipe();
	}

	#event(event: WithoutTime<EfEvent>): void {
		if (this.#closed) return;
		const { ef, onChange } = this.#options;
		const before = ef.ready;
		/* Each variant of the event with the time in it is one of EfEvent. */
		const timed = { ...event, nowMs: performance.now() } as EfEvent;
		for (const command of ef.handle(timed)) this.#carryOut(command);
		clearTimeout(this.#timer);
		const waitMs = Math.max(0, ef.nextMs - performance.now());
		if (Number.isFinite(waitMs))
			this.#timer = setTimeout(
				() => this.#event({ type: "time" }),
				Math.min(waitMs, MAX_TIMEOUT_MS),
			);
		if (ef.ready !== before) onChange();
	}

	#carryOut(command: EfCommand): void {
		if (command.type === "send") this.#options.send(command.message);
		else if (command.type === "enrol") this.#options.onUnknown();
		else this.#queue = this.#queue.then(() => this.#perform(command));
	}

	async #perform(command: EngineCommand): Promise<void> {
		let failure: string | undefined;
		try {
			await inTime(this.#store.perform(command), command.type);
		} catch (error) {
			if (error instanceof Hangs) return this.#fail(error);
			failure = error instanceof Error ? error.message : String(error);
		}
		if (command.type !== "stop") {
			const { type: operation, spi } = command;
			const told = failure === undefined ? {} : { failure };
			this.#event({ type: "engine", operation, spi, ...told });
		}
		this.#options.onChange();
	}

	#measure(): void {
		if (this.#asking || this.#closed) return;
		this.#asking = true;
		void this.#askUsage().finally(() => {
			this.#asking = false;
		});
	}

	async #askUsage(): Promise<void> {
		try {
			const usage = await inTime(this.#options.engine.usage(), "usage");
			if (this.#closed) return;
			this.#usage = usage;
			for (const { spi, bytes, packets } of usage.sas)
				this.#event({ type: "used", spi, bytes, packets });
		} catch (error) {
			this.#fail(error instanceof Error ? error : new Error(String(error)));
		}
	}

	#fail(error: Error): void {
		if (!this.#closed) this.#options.onFailure(error);
	}
}

class Hangs extends Error {}

function inTime<T>(work: Promise<T>, what: string): Promise<T> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(
			() => reject(new Hangs(`engine: ${what} takes over ${ANSWER_MS} ms`)),
			ANSWER_MS,
		);
		void work.then(resolve, reject).finally(() => clearTimeout(timer));
	});
}
