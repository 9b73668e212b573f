/** The machines of all links: which EFs they are between, and which are due. */
import { Deadlines } from "./deadlines.js";
import { LinkMachine } from "./link.js";
import {
	type LinkOutput,
	type LinkState,
	newLink,
	resume,
} from "./link-state.js";
import type { Link } from "./sa.js";
import type { RandomBytes } from "./secret.js";
import type { LinkId } from "./spi.js";
import type { Tuning } from "./tuning.js";

export class Links {
	readonly #machines = new Map<LinkId, LinkMachine>();
	readonly #deadlines = new Deadlines<LinkId>();
	/** Links whose machines an event may have changed. */
	readonly #touched = new Set<LinkId>();
	/** Links an EF is or was an end of. */
	readonly #linksOf = new Map<string, Set<LinkId>>();

	/** @param states as they were stored; taken over, not copied */
	constructor(
		private readonly states: Map<LinkId, LinkState>,
		private readonly options: {
			readonly tuning: Tuning;
			readonly random: RandomBytes;
			readonly nowMs: number;
		},
		private readonly out: LinkOutput,
	) {
		const { nowMs, tuning } = options;
		for (const [id, held] of states) {
			resume(held, nowMs, tuning);
			const { link, sas } = held;
			this.#deadlines.set(id, this.machine(id, nowMs).nextMs);
			for (const one of [link, ...sas.map((sa) => sa.link)]) {
				if (one) this.index(id, one);
			}
		}
	}

	/** A link's machine, made if there is none; it will act on what it is told. */
	machine(id: LinkId, nowMs: number): LinkMachine {
		this.#touched.add(id);
		let machine = this.#machines.get(id);
		if (!machine) {
			let state = this.states.get(id);
			if (!state) {
				state = newLink(nowMs);
				this.states.set(id, state);
			}
			const { tuning, random } = this.options;
			machine = new LinkMachine(state, tuning, random, this.out);
			this.#machines.set(id, machine);
		}
		return machine;
	}

	/** From now on both EFs are ends of it, also when later terms name others. */
	index(id: LinkId, { sender, receiver }: Link): void {
		for (const ef of [sender, receiver]) {
			const links = this.#linksOf.get(ef) ?? new Set();
			this.#linksOf.set(ef, links.add(id));
		}
	}

	/** Links an EF is or was an end of; their machines will act on what they are told. */
	of(ef: string, nowMs: number): [LinkId, LinkMachine][] {
		return [...(this.#linksOf.get(ef) ?? [])].map((id) => [
			id,
			this.machine(id, nowMs),
		]);
	}

	countOf(ef: string): number {
		return this.#linksOf.get(ef)?.size ?? 0;
	}

	/** Lets those act that were told something or are due; false: there was none. */
	advance(nowMs: number): boolean {
		const due = this.#deadlines.takeDue(nowMs);
		const acting = new Set([...this.#touched, ...due]);
		for (const id of acting) {
			const machine = this.#machines.get(id);
			if (!machine) continue;
			machine.advance(nowMs);
			this.#deadlines.set(id, machine.nextMs);
			if (machine.isForgettable(nowMs)) this.#forget(id);
		}
		this.#touched.clear();
		return acting.size > 0;
	}

	/** When one is due next. */
	get nextMs(): number {
		return this.#deadlines.nextMs;
	}

	#forget(id: LinkId): void {
		this.states.delete(id);
		this.#machines.delete(id);
		this.#deadlines.delete(id);
		for (const links of this.#linksOf.values()) links.delete(id);
	}
}
