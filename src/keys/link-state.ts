/** What the centre knows of a link: its SAs, and how far each one is. */
import type { Lifetime, Link, RekeyReason, SaRef } from "./sa.js";
import type { Secret } from "./secret.js";

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

export interface SaState {
	readonly generation: number;
	/** The link as it was when this was issued. */
	readonly link: Link;
	readonly issuedMs: number;
	readonly soft: Lifetime;
	phase: Phase;
	/** Until the sender has it: what no party asks for any more is not kept. */
	key: Secret | undefined;
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
	/** Newest ever issued; kept after the link is gone, so that none comes twice. */
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

export function isPending({ phase }: SaState): boolean {
	return phase !== "current" && phase !== "retired";
}

export function refOf({ link, generation }: SaState): SaRef {
	return { eSpi: link.eSpi, eSi: link.eSi, generation };
}
