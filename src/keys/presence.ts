/** EFs as the centre knows them in this life: their sessions, and what they said last. */
import type { Use } from "./messages.js";
import type { RandomBytes } from "./secret.js";

const SESSION_BYTES = 12;

export interface Presence {
	/** Challenged with, not yet reported. */
	offered: { readonly boot: string; readonly session: string } | undefined;
	session: string | undefined;
	uses: readonly Use[];
	/** It named a generation that nobody has issued, which is told once a session. */
	isFalse: boolean;
}

export class Presences {
	readonly #all = new Map<string, Presence>();

	of(ef: string): Presence {
		let here = this.#all.get(ef);
		if (!here) {
			here = {
				offered: undefined,
				session: undefined,
				uses: [],
				isFalse: false,
			};
			this.#all.set(ef, here);
		}
		return here;
	}

	/** Of the EF that is in one. */
	sessionOf(ef: string): string | undefined {
		return this.#all.get(ef)?.session;
	}

	/** A session for this life of the EF: the same, should it ask again. */
	offer(ef: string, boot: string, random: RandomBytes) {
		const here = this.of(ef);
		if (here.offered?.boot !== boot) {
			const session = random(SESSION_BYTES).toString("hex");
			here.offered = { boot, session };
		}
		return here.offered;
	}

	/** The EF has answered what was offered. */
	begin(ef: string, session: string): void {
		const here = this.of(ef);
		here.session = session;
		here.offered = undefined;
		here.isFalse = false;
	}

	/** EFs that are in a session, and what they last said of their SAs' use. */
	get uses(): ReadonlyMap<string, readonly Use[]> {
		return new Map(
			[...this.#all]
				.filter(([, { session }]) => session !== undefined)
				.map(([ef, { uses }]) => [ef, uses]),
		);
	}
}
