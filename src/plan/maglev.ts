/**
 * Consistent hashing after Maglev (Eisenbud et al., NSDI 2016, section 3.4)
 * with weights: when one member goes, few slots of the others move. Members are
 * known by name, so that a path keeps its slots under a new SPI.
 */
import { SLOTS, textHash } from "./hash.js";

export interface Member {
	readonly name: string;
	/** Share of the slots, relative to the other members; above 0. */
	readonly weight: number;
}

/** Index of the member for each slot. Every member has at least one slot. */
export function maglev(members: readonly Member[]): number[] {
	if (members.length === 0 || members.length > SLOTS) {
		throw new Error(`maglev: ${members.length} members for ${SLOTS} slots`);
	}
	const table = Array<number>(SLOTS).fill(-1);
	const heaviest = Math.max(...members.map((member) => member.weight));
	const turns = members.map(({ name, weight }) => ({
		at: textHash(name, 1) % SLOTS,
		skip: (textHash(name, 2) % (SLOTS - 1)) + 1,
		weight,
		owed: 0,
	}));
	let left = SLOTS;
	for (let round = 1; left > 0; round++) {
		for (const [index, turn] of turns.entries()) {
			if (left === 0 || round * turn.weight < turn.owed) {
				continue;
			}
			turn.owed += heaviest;
			while (table[turn.at] !== -1) {
				turn.at = (turn.at + turn.skip) % SLOTS;
			}
			table[turn.at] = index;
			left--;
		}
	}
	return table;
}
