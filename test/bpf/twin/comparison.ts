/**
 * One round of the random comparison: packets there and back through kernel and
 * twin, packets that functions forge or keep too long, packets at any place of a
 * path and without a tunnel, and changes of the network in between.
 */
import { Random } from "../../../src/plan/random.js";
import { thereAndBack } from "./conversation.js";
import { Field, type Sent } from "./field.js";
import { forge, fromElsewhere, giveBackLate, withoutTunnel } from "./strays.js";

/** Packets that enter the network in a round. */
const STARTS = 5200;
const CHANGES = 3;

export class Comparison {
	readonly #field: Field;

	constructor(readonly seed: number) {
		this.#field = new Field(new Random(seed));
	}

	/** How often each thing was met. */
	get seen(): Readonly<Record<string, number>> {
		return this.#field.seen;
	}

	close(): void {
		this.#field.kernel.close();
	}

	round(number: number): void {
		const random = new Random(this.seed + number);
		const field = this.#field;
		field.renew(random, `CHAINMAIL_SEED=${this.seed} round ${number}`);
		const sent: Sent[] = [];
		for (let i = 0; i < STARTS; i++) {
			if (i > 0 && i % (STARTS / (CHANGES + 1)) === 0) {
				field.change(random);
				giveBackLate(field, random);
			}
			const again = sent.length > 0 && random.chance(25);
			const one = again
				? otherDscp(random, random.pick(sent))
				: field.randomStart(random);
			sent.push(one);
			const reply = thereAndBack(field, random, one);
			if (reply && random.chance(20)) sent.push({ ...one, start: reply });
			forge(field, random);
			fromElsewhere(field, random);
			if (random.chance(25)) withoutTunnel(field, random);
		}
		field.checkGiven();
	}
}

/** The same flow, now and then with another DSCP. */
function otherDscp(random: Random, sent: Sent): Sent {
	if (random.chance(70)) return sent;
	const packet = { ...sent.start.packet, dscp: random.pick([0, 10, 46]) };
	return { ...sent, start: { ...sent.start, packet } };
}
