/**
 * Commands of the EF's machine, done by an engine. A sender's SA is given to the
 * engine when its link switches to it: there an `out` SA serves its path at once.
 */
import {
	ALGORITHMS,
	type Algorithm,
	type KeyedEntry,
	type SadEntry,
} from "../../keys/sa.js";
import type { EngineCommand } from "../../keys/sad.js";
import { type LinkId, linkId } from "../../keys/spi.js";
import { monotonicMs } from "../ef/clock.js";
import type { EfEngine, EfUsage } from "../ef/engine.js";
import type { SaSpec, SaTransform } from "../ef/sa.js";
import type { ReportedSa } from "./report.js";

/** Addresses of a tunnel with this peer; undefined where they stay unknown. */
export type FindTunnel = (
	peer: string,
) => Promise<SaSpec["tunnel"] | undefined>;

const TRANSFORMS: Readonly<Record<Algorithm, SaTransform>> = {
	"aes-gcm-128": "esp",
	"aes-gcm-256": "esp",
	"hmac-sha-256-header": "mac-header",
	"hmac-sha-256-packet": "mac-packet",
};

interface Stored {
	readonly entry: SadEntry;
	readonly tunnel: SaSpec["tunnel"];
	readonly issuedMs: number;
	/** Until it is the engine's. */
	key: KeyedEntry["key"] | undefined;
}

export class Store {
	readonly #engine: EfEngine;
	readonly #tunnel: FindTunnel;
	readonly #stored = new Map<number, Stored>();
	/** SPI each link of ours encrypts with. */
	readonly #active = new Map<LinkId, number>();

	constructor(engine: EfEngine, tunnel: FindTunnel) {
		this.#engine = engine;
		this.#tunnel = tunnel;
	}

	/** Rejects where the engine cannot. */
	async perform(command: EngineCommand): Promise<void> {
		switch (command.type) {
			case "add":
				return this.#add(command.spi, command.entry);
			case "switch":
				return this.#switch(command.spi);
			case "stop":
				return this.#stop(linkId(command));
			case "delete":
				return this.#delete(command.spi);
		}
	}

	report(usage: EfUsage | undefined, nowMs: number): ReportedSa[] {
		const used = new Map(usage?.sas.map((one) => [one.spi, one]));
		return [...this.#stored].map(([spi, { entry, issuedMs }]) => ({
			spi,
			role: entry.role,
			peer: entry.peer,
			flowClass: entry.flowClass,
			generation: entry.generation,
			ageMs: Math.round(nowMs - issuedMs),
			active: this.#active.get(linkId(entry)) === spi,
			packets: used.get(spi)?.packets ?? 0,
			bytes: used.get(spi)?.bytes ?? 0,
		}));
	}

	/** Keys that the engine does not have; it wipes its own. */
	wipe(): void {
		for (const { key } of this.#stored.values()) key?.wipe();
		this.#stored.clear();
	}

	async #add(spi: number, { key, ...entry }: KeyedEntry): Promise<void> {
		const issuedMs = performance.now() - entry.ageMs;
		try {
			const tunnel = await this.#tunnel(entry.peer);
			if (!tunnel)
				throw new Error(
					`node ${entry.peer}: its underlay address is not known here`,
				);
			const stored: Stored = { entry, tunnel, issuedMs, key };
			if (entry.role === "receiver") await this.#install(spi, stored);
			this.#stored.set(spi, stored);
		} catch (error) {
			key.wipe();
			throw error;
		}
	}

	async #switch(spi: number): Promise<void> {
		const stored = this.#stored.get(spi);
		if (!stored) throw new Error(`SA ${spi}: it is not here`);
		if (stored.key) await this.#install(spi, stored);
		this.#active.set(linkId(stored.entry), spi);
	}

	async #stop(link: LinkId): Promise<void> {
		const spi = this.#active.get(link);
		if (spi === undefined) return;
		this.#active.delete(link);
		await this.#engine.remove("out", spi);
	}

	async #delete(spi: number): Promise<void> {
		const stored = this.#stored.get(spi);
		if (!stored) return;
		const { entry, key } = stored;
		key?.wipe();
		const link = linkId(entry);
		if (this.#active.get(link) === spi) this.#active.delete(link);
		await this.#engine.remove(entry.role === "sender" ? "out" : "in", spi);
		this.#stored.delete(spi);
	}

	async #install(spi: number, stored: Stored): Promise<void> {
		const { entry, tunnel, issuedMs, key } = stored;
		if (!key) throw new Error(`SA ${spi}: its key was used already`);
		const bytes = key.reveal();
		const keyBytes = ALGORITHMS[entry.algorithm].key;
		const { timeMs, ...hard } = entry.hard;
		const leftMs = issuedMs + timeMs - performance.now();
		const { timeMs: _, ...soft } = entry.soft;
		/* Once only: should it fail, the link gets another. */
		stored.key = undefined;
		try {
			await this.#engine.install({
				direction: entry.role === "sender" ? "out" : "in",
				transform: TRANSFORMS[entry.algorithm],
				spi,
				key: Uint8Array.from(bytes.subarray(0, keyBytes)),
				salt: Uint8Array.from(bytes.subarray(keyBytes)),
				tunnel,
				extended: entry.extSeqNum,
				path: linkId(entry),
				/* By itself, should this thread hang. */
				hard: { ...hard, untilMs: monotonicMs() + leftMs },
				...(entry.role === "sender" && { soft }),
			});
		} finally {
			key.wipe();
		}
	}
}
