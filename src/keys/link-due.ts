/** What a link's state says by itself: which SA is in use, what is due and when. */
import { endMs, isGone } from "./link-sa.js";
import { isPending, type LinkState, type SaState } from "./link-state.js";
import { GENERATION_SLOTS } from "./spi.js";
import type { Tuning } from "./tuning.js";

export function saOf(
	{ sas }: LinkState,
	generation: number,
): SaState | undefined {
	return sas.find((sa) => sa.generation === generation);
}

/** The newest that the sender uses. */
export function newest({ sas }: LinkState): SaState | undefined {
	return sas.findLast(({ phase }) => phase === "current");
}

/** The next generation whose slot no other SA has. */
export function freeGeneration({
	generation,
	sas,
}: LinkState): number | undefined {
	const taken = new Set(sas.map((sa) => sa.generation % GENERATION_SLOTS));
	for (let ahead = 1; ahead <= GENERATION_SLOTS; ahead++) {
		if (!taken.has((generation + ahead) % GENERATION_SLOTS)) {
			return generation + ahead;
		}
	}
	return undefined;
}

/** When the next SA is issued, as far as is known now. */
export function issueMs(state: LinkState): number {
	const { link, sas, rekey, holdOffMs } = state;
	if (!link || sas.some(isPending)) return Number.POSITIVE_INFINITY;
	/* A slot is free once another SA is gone; `nextMs` knows when. */
	if (freeGeneration(state) === undefined) return Number.POSITIVE_INFINITY;
	const current = newest(state);
	const wantedMs =
		rekey || !current ? 0 : current.issuedMs + current.soft.timeMs;
	return Math.max(holdOffMs, wantedMs);
}

/** When anything is due; Infinity: nothing, until somebody says something. */
export function nextMs(state: LinkState, tuning: Tuning): number {
	let next = issueMs(state);
	for (const sa of state.sas) {
		next = Math.min(next, isGone(sa) ? 0 : endMs(sa, tuning));
		if (sa.phase !== "current") next = Math.min(next, sa.dueMs);
	}
	return next;
}
