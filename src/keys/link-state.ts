/** What the centre knows of a link: its SAs, and how far each one is. */
import type { Audited } from "./audit.js";
import type { KeyedEntry, Lifetime, Link, RekeyReason, SaRef } from "./sa.js";
import type { Tuning } from "./tuning.js";

/**
 * An SA's way. `install-receiver`, `install-sender` and `switch` each wait for an
 * acknowledgement; `current`: the sender uses it, or may; `retired`: it has to go.
 */
export type Phase =
	| "install-receiver"
	| "install-sender"
	| "switch"
	| "current"
	| "retired";

/** Its key is not among it: keys are never stored, and not kept once given out. */
export interface SaState {
	readonly generation: number;
	/** The link as it was when this was issued. */
	readonly link: Link;
	readonly issuedMs: number;
	readonly soft: Lifetime;
	phase: Phase;
	/** Ends that may hold it. */
	sender: boolean;
	receiver: boolean;
	revoked: boolean;
	/** When retired and let go by the sender: the receiver's turn. */
	drainedMs: number;
	/** When the request of this phase is sent next, and how often it was. */
	dueMs: number;
	tries: number;
}

export interface LinkState {
	/** What is declared; undefined: its SAs are to go. */
	link: Link | undefined;
	/** Newest ever issued; kept until the clock is past it, so that none comes twice. */
	generation: number;
	/** Oldest first. */
	sas: SaState[];
	/** An SA is wanted for this reason. */
	rekey: RekeyReason | undefined;
	/** No SA is issued earlier, after so many refusals in a row. */
	holdOffMs: number;
	refusals: number;
}

/**
 * Generations count from the clock, which rises faster: a centre that has lost
 * its memory gives no number a second time.
 */
export function newLink(nowMs: number): LinkState {
	return {
		link: undefined,
		generation: nowMs,
		sas: [],
		rekey: undefined,
		holdOffMs: 0,
		refusals: 0,
	};
}

/**
 * As stored by an earlier life of the centre. Its generation is raised as a new
 * link's is: what was issued and not stored is not issued again. Should the clock
 * have been set back meanwhile, nothing waits longer than it may.
 */
export function resume(state: LinkState, nowMs: number, tuning: Tuning): void {
	const atMost = (timeMs: number, laterMs: number) =>
		Math.min(timeMs, nowMs + laterMs);
	state.generation = Math.max(state.generation, nowMs);
	state.holdOffMs = atMost(state.holdOffMs, tuning.refusedMaxMs);
	state.sas = state.sas.map((sa) => ({
		...sa,
		issuedMs: atMost(sa.issuedMs, 0),
		drainedMs: atMost(sa.drainedMs, tuning.drainMs),
		dueMs: atMost(sa.dueMs, tuning.retransmitMaxMs),
	}));
}

export function isPending({ phase }: SaState): boolean {
	return phase !== "current" && phase !== "retired";
}

export function refOf({ link, generation }: SaState): SaRef {
	return { eSpi: link.eSpi, eSi: link.eSi, generation };
}

/** A request to an EF, before it has its session. */
export type Request =
	| { readonly type: "install"; readonly entry: KeyedEntry }
	| { readonly type: "switch" | "remove"; readonly sa: SaRef };

/** Where a machine's decisions go. */
export interface LinkOutput {
	send(ef: string, request: Request): void;
	audit(record: Audited): void;
}
