/** What the invariants are, and what was found to violate them. */

export type Invariant = 1 | 2 | 3 | 4 | 5 | 6;

export const INVARIANTS: Readonly<Record<Invariant, string>> = {
	1: "a packet meets every function of its chain, in order, or is dropped",
	2: "no loop; the service index falls",
	3: "what must stay on its node never leaves it",
	4: "no packet enters another tenant's chain or exit",
	5: "replies traverse the same instances in reverse",
	6: "a change loses no packet of a flow that both plans allow",
};

export interface Violation {
	readonly invariant: Invariant;
	readonly policy: string;
	readonly spi?: number;
	/** Entry of the path, from 0. */
	readonly hop?: number;
	readonly node?: string;
	/** Names invariant, policy, path and hop, and says what is wrong. */
	readonly message: string;
}

/** What is found wrong; empty: the states may be sent. */
export class Findings {
	readonly violations: Violation[] = [];

	add(
		invariant: Invariant,
		policy: string,
		at: { spi?: number; hop?: number; node?: string },
		cause: string,
	): void {
		const place = [
			`policy ${policy}`,
			...(at.spi === undefined ? [] : [`path ${at.spi}`]),
			...(at.hop === undefined ? [] : [`hop ${at.hop}`]),
		].join(", ");
		this.violations.push({
			invariant,
			policy,
			...at,
			message: `invariant ${invariant} (${INVARIANTS[invariant]}): ${place}: ${cause}`,
		});
	}
}
