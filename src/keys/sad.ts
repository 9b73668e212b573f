/**
 * The SAs one EF holds (its SAD): what is added, switched to and deleted in its
 * engine, and when one ends by itself, whether or not a centre is there. When the
 * sender's SA ends and no other was switched to, the link's traffic is stopped.
 */
import type { HeldSa, StepName, Use } from "./messages.js";
import {
	type Expiry,
	type KeyedEntry,
	MAX_SEQUENCE,
	type SadEntry,
	type SaRef,
} from "./sa.js";
import { espSpi, type LinkId, linkId } from "./spi.js";
import { backOff, type Tuning } from "./tuning.js";

/**
 * What the EF's engine does, in this order; each but `stop` is answered once, in
 * order too, and may be repeated. The key of `add` is the engine's to wipe. An
 * engine that outlives the agent ends SAs by itself then, as XFRM does.
 */
export type EngineCommand =
	| { readonly type: "add"; readonly spi: number; readonly entry: KeyedEntry }
	/** Encrypt the link's traffic with this SA from now on. */
	| { readonly type: "switch"; readonly spi: number; readonly sa: SaRef }
	/** No SA: drop the link's traffic; never let it pass as it is. */
	| { readonly type: "stop"; readonly eSpi: number; readonly eSi: number }
	/** Nothing is wrong when it is not there; what still used it is dropped. */
	| { readonly type: "delete"; readonly spi: number };

export type EngineOperation = "add" | "switch" | "delete";

/** What becomes of a step: nothing yet is `wait`. */
export type Answer =
	| { readonly kind: "wait" }
	| { readonly kind: "done"; readonly step: StepName; readonly sa: SaRef }
	| {
			readonly kind: "refuse";
			readonly step: StepName;
			readonly sa: SaRef;
			readonly reason: string;
			readonly floor: number;
	  };

/** Of an SA that ended (hard) or soon will (soft). */
export interface Notice {
	readonly sa: SaRef;
	readonly soft: boolean;
	readonly by: Expiry;
}

/** An SA that is in an engine when its agent starts. */
export interface Installed extends SadEntry {
	readonly active: boolean;
}

interface Held {
	readonly entry: SadEntry;
	readonly spi: number;
	readonly issuedMs: number;
	state: "adding" | "held" | "deleting";
	bytes: number;
	packets: number;
	/** Told to the engine, not yet answered: what it switches from. */
	switching: { readonly from: number | undefined } | undefined;
	/** A successor was asked for. */
	softly: boolean;
	/** Deleted because its time was over. */
	endedBy: Expiry | undefined;
	/** While deleting: when the engine is asked again after a failure. */
	retryMs: number;
	tries: number;
}

/** Longest reason of a refusal in characters. */
const MAX_REASON = 255;
const WAIT: Answer = { kind: "wait" };

export class Sad {
	readonly #held = new Map<number, Held>();
	/** SPI each link's sender encrypts with. */
	readonly #active = new Map<LinkId, number>();
	/** Newest generation a link ever had here: none up to it comes again. */
	readonly #floors = new Map<LinkId, number>();

	constructor(
		private readonly tuning: Tuning,
		private readonly engine: (command: EngineCommand) => void,
		private readonly notify: (notice: Notice) => void,
		installed: readonly Installed[],
		nowMs: number,
	) {
		for (const { active, ...entry } of installed) {
			const held = this.#enter(entry, "held", nowMs);
			if (active) this.#active.set(linkId(entry), held.spi);
		}
	}

	install({ key, ...entry }: KeyedEntry, nowMs: number): Answer {
		const spi = espSpi(entry);
		const held = this.#held.get(spi);
		if (held?.entry.generation === entry.generation) {
			key.wipe();
			return held.state === "held" ? done("install", entry) : WAIT;
		}
		const refusal = this.#refusal(entry, held);
		if (refusal !== undefined) {
			key.wipe();
			return this.#refuse("install", entry, refusal);
		}
		this.#enter(entry, "adding", nowMs);
		this.engine({ type: "add", spi, entry: { ...entry, key } });
		return WAIT;
	}

	switch(sa: SaRef): Answer {
		const spi = espSpi(sa);
		const active = this.#held.get(this.#active.get(linkId(sa)) ?? -1);
		if (active && active.entry.generation > sa.generation) {
			return this.#refuse("switch", sa, "a newer one is in use");
		}
		const held = this.#find(sa);
		if (held?.state !== "held" || held.entry.role !== "sender") {
			return this.#refuse("switch", sa, "it is not installed");
		}
		if (active === held) return held.switching ? WAIT : done("switch", sa);
		const link = linkId(sa);
		held.switching = { from: this.#active.get(link) };
		this.#active.set(link, spi);
		this.engine({ type: "switch", spi, sa: refOf(held) });
		return WAIT;
	}

	remove(sa: SaRef): Answer {
		/* Should its `install` come after this, it comes too late. */
		this.#raiseFloor(sa);
		const held = this.#find(sa);
		if (!held) return done("remove", sa);
		this.#delete(held);
		return WAIT;
	}

	/** The engine has answered a command; `failure` says why it did not do it. */
	answered(
		operation: EngineOperation,
		spi: number,
		failure: string | undefined,
		nowMs: number,
	): Answer {
		const held = this.#held.get(spi);
		if (!held) return WAIT;
		if (operation === "delete") {
			if (failure !== undefined) {
				const { retransmitMs, retransmitMaxMs } = this.tuning;
				held.retryMs =
					nowMs + backOff(retransmitMs, retransmitMaxMs, held.tries++);
				return WAIT;
			}
			this.#held.delete(spi);
			const sa = refOf(held);
			if (held.endedBy === undefined) return done("remove", sa);
			this.notify({ sa, soft: false, by: held.endedBy });
			return WAIT;
		}
		if (held.state === "deleting") return WAIT;
		const step = operation === "add" ? "install" : "switch";
		if (failure !== undefined) {
			if (operation === "add") this.#held.delete(spi);
			else this.#switchBack(held);
			return this.#refuse(step, held.entry, failure);
		}
		if (operation === "add") held.state = "held";
		held.switching = undefined;
		return done(step, refOf(held));
	}

	/** How much an SA was used since it was installed, by the engine's count. */
	used(spi: number, bytes: number, packets: number): void {
		const held = this.#held.get(spi);
		if (held?.state !== "held") return;
		held.bytes = bytes;
		held.packets = packets;
		const { hard, soft, role } = held.entry;
		const by = (one: typeof hard) =>
			bytes >= one.bytes ? "bytes" : packets >= one.packets ? "packets" : null;
		const ends = by(hard);
		if (ends) this.#end(held, cause(held.entry, ends));
		const nears = role === "sender" ? by(soft) : null;
		if (nears) this.#soften(held, cause(held.entry, nears));
	}

	/** Sequence numbers of an SA are about to run out (`sadb-seq-overflow`). */
	overflow(spi: number): void {
		const held = this.#held.get(spi);
		if (held?.state === "held") this.#soften(held, "seq-overflow");
	}

	/** Deletes what is over, and asks again for what the engine failed to delete. */
	advance(nowMs: number): void {
		for (const held of this.#held.values()) {
			if (held.state !== "deleting") {
				if (nowMs >= endMs(held)) this.#end(held, "time");
			} else if (nowMs >= held.retryMs) {
				held.retryMs = Number.POSITIVE_INFINITY;
				this.engine({ type: "delete", spi: held.spi });
			}
		}
	}

	get nextMs(): number {
		return Math.min(
			...[...this.#held.values()].map((held) =>
				held.state === "deleting" ? held.retryMs : endMs(held),
			),
		);
	}

	/** Deletes all but these. */
	keepOnly(keep: readonly SaRef[]): void {
		const kept = new Set(keep.map(nameOf));
		for (const held of this.#held.values()) {
			if (!kept.has(nameOf(held.entry))) this.#delete(held);
		}
	}

	report(nowMs: number): HeldSa[] {
		return this.#installed().map(({ entry, issuedMs, spi }) => ({
			...refOf({ entry }),
			role: entry.role,
			/* Clocks may tell parts of milliseconds; messages do not. */
			ageMs: Math.max(0, Math.floor(nowMs - issuedMs)),
			active: this.#active.get(linkId(entry)) === spi,
		}));
	}

	uses(): Use[] {
		return this.#installed().map(({ entry, bytes, packets }) => ({
			sa: refOf({ entry }),
			bytes,
			packets,
		}));
	}

	holds(sa: SaRef): boolean {
		return this.#find(sa)?.state === "held";
	}

	#installed(): Held[] {
		return [...this.#held.values()].filter(({ state }) => state === "held");
	}

	#find(sa: SaRef): Held | undefined {
		const held = this.#held.get(espSpi(sa));
		return held?.entry.generation === sa.generation ? held : undefined;
	}

	#enter(entry: SadEntry, state: Held["state"], nowMs: number): Held {
		this.#raiseFloor(entry);
		const held: Held = {
			entry,
			spi: espSpi(entry),
			issuedMs: nowMs - entry.ageMs,
			state,
			bytes: 0,
			packets: 0,
			switching: undefined,
			softly: false,
			endedBy: undefined,
			retryMs: Number.POSITIVE_INFINITY,
			tries: 0,
		};
		this.#held.set(held.spi, held);
		return held;
	}

	#raiseFloor(sa: SaRef): void {
		const link = linkId(sa);
		const floor = this.#floors.get(link) ?? 0;
		this.#floors.set(link, Math.max(floor, sa.generation));
	}

	/** Why an SA is not installed. */
	#refusal(entry: SadEntry, there: Held | undefined): string | undefined {
		if (entry.generation <= (this.#floors.get(linkId(entry)) ?? 0)) {
			return "it is older than one that was here";
		}
		if (there)
			return `its SPI is taken by generation ${there.entry.generation}`;
		if (entry.ageMs >= entry.hard.timeMs) return "its lifetime is over";
		return undefined;
	}

	#refuse(step: StepName, sa: SaRef, reason: string): Answer {
		const { eSpi, eSi, generation } = sa;
		const floor = this.#floors.get(linkId(sa)) ?? 0;
		return {
			kind: "refuse",
			step,
			sa: { eSpi, eSi, generation },
			reason: reason.slice(0, MAX_REASON),
			floor,
		};
	}

	/** The engine stayed with what it had. */
	#switchBack(held: Held): void {
		const link = linkId(held.entry);
		const from = this.#held.get(held.switching?.from ?? -1);
		held.switching = undefined;
		if (from?.state === "held") {
			this.#active.set(link, from.spi);
		} else {
			const { eSpi, eSi } = held.entry;
			this.#active.delete(link);
			this.engine({ type: "stop", eSpi, eSi });
		}
	}

	#soften(held: Held, by: Expiry): void {
		if (held.softly) return;
		held.softly = true;
		this.notify({ sa: refOf(held), soft: true, by });
	}

	#end(held: Held, by: Expiry): void {
		if (held.state === "deleting") return;
		held.endedBy = by;
		this.#delete(held);
	}

	#delete(held: Held): void {
		if (held.state === "deleting") return;
		held.state = "deleting";
		const { eSpi, eSi } = held.entry;
		if (this.#active.get(linkId(held.entry)) === held.spi) {
			this.#active.delete(linkId(held.entry));
			this.engine({ type: "stop", eSpi, eSi });
		}
		this.engine({ type: "delete", spi: held.spi });
	}
}

function refOf({ entry }: Pick<Held, "entry">): SaRef {
	const { eSpi, eSi, generation } = entry;
	return { eSpi, eSi, generation };
}

function nameOf({ eSpi, eSi, generation }: SaRef): string {
	return `${eSpi}/${eSi}/${generation}`;
}

function done(step: StepName, { eSpi, eSi, generation }: SaRef): Answer {
	return { kind: "done", step, sa: { eSpi, eSi, generation } };
}

function endMs({ issuedMs, entry }: Held): number {
	return issuedMs + entry.hard.timeMs;
}

/** A limit of packets that only sequence numbers set is theirs. */
function cause(entry: SadEntry, by: "bytes" | "packets"): Expiry {
	return by === "packets" &&
		!entry.extSeqNum &&
		entry.hard.packets === MAX_SEQUENCE
		? "seq-overflow"
		: by;
}
