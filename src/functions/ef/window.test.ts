import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, REPLAY, SEED } from "../../../test/random.js";
import { Refusal } from "./refusal.js";
import { ReplayWindow, WINDOW_PACKETS } from "./window.js";

const RANGE = 1n << 32n;
const END = 1n << 64n;

/** What the RFC says, by a set of all numbers and without any cleverness. */
class NaiveWindow {
	readonly #seen = new Set<bigint>();
	top: bigint;

	constructor(
		readonly extended: boolean,
		readonly start: bigint,
	) {
		this.top = start;
	}

	/** The number, and 0 or why it is refused. */
	judge(low: bigint): [number: bigint, verdict: number] {
		const bottom = this.top - BigInt(WINDOW_PACKETS) + 1n;
		let number = low;
		if (this.extended) {
			/* The smallest from the window's end on that has this lower half. */
			number = bottom - mod(bottom, RANGE) + low;
			if (number < bottom) number += RANGE;
		}
		if (number < 0n || number >= END || number < bottom)
			return [number, Refusal.tooOld];
		const old = number <= this.start || this.#seen.has(number);
		return [number, old ? Refusal.replayed : 0];
	}

	accept(number: bigint): void {
		this.#seen.add(number);
		if (number > this.top) this.top = number;
	}
}

function mod(value: bigint, range: bigint): bigint {
	return ((value % range) + range) % range;
}

function receive(window: ReplayWindow, low: number): number {
	const high = window.recoverHigh(low);
	const verdict = window.judge(high, low);
	if (verdict === 0) window.accept(high, low);
	return verdict;
}

test(`window: judges random numbers as its naive twin does (${REPLAY})`, () => {
	const random = new Random(SEED);
	const tally = new Map<number, number>();
	for (const [extended, start] of [
		[false, 0n],
		[false, RANGE - 3000n],
		[true, 0n],
		[true, RANGE - 3000n],
		[true, 7n * RANGE + 500n],
		[true, END - 3000n],
	] as const) {
		const window = new ReplayWindow(extended, start);
		const twin = new NaiveWindow(extended, start);
		for (let i = 0; i < 20_000; i++) {
			const step = random.chance(2)
				? random.below(5000) - 2500
				: random.below(1100) - 1060;
			const low = Number(mod(twin.top + BigInt(step), RANGE));
			const [number, expected] = twin.judge(BigInt(low));
			const high = window.recoverHigh(low);
			const verdict = window.judge(high, low);
			assert.equal(verdict, expected, `${number} at ${twin.top}, ${REPLAY}`);
			tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
			if (verdict !== 0) continue;
			assert.equal(BigInt(high) * RANGE + BigInt(low), number, REPLAY);
			/* Some turn out to be forged. */
			if (random.chance(10)) continue;
			window.accept(high, low);
			twin.accept(number);
			assert.equal(window.last, twin.top, REPLAY);
		}
	}
	for (const verdict of [0, Refusal.replayed, Refusal.tooOld])
		assert.ok((tally.get(verdict) ?? 0) > 1000, JSON.stringify([...tally]));
});

test("window: takes each number once, down to its end", () => {
	const window = new ReplayWindow(false);
	assert.equal(receive(window, 0), Refusal.replayed);
	assert.equal(receive(window, 1), 0);
	assert.equal(receive(window, 1), Refusal.replayed);
	assert.equal(receive(window, 2000), 0);
	assert.equal(receive(window, 2000 - WINDOW_PACKETS + 1), 0);
	assert.equal(receive(window, 2000 - WINDOW_PACKETS + 1), Refusal.replayed);
	assert.equal(receive(window, 2000 - WINDOW_PACKETS), Refusal.tooOld);
	assert.equal(receive(window, 0xffffffff), 0);
	assert.equal(receive(window, 3), Refusal.tooOld);
});

test("window: the lower half turns over, late packets keep their upper half", () => {
	const window = new ReplayWindow(true, RANGE - 10n);
	assert.equal(receive(window, 0xfffffffe), 0);
	assert.equal(receive(window, 5), 0);
	assert.equal(window.last, RANGE + 5n);
	assert.equal(window.recoverHigh(0xffffffff), 0);
	assert.equal(receive(window, 0xffffffff), 0);
	assert.equal(receive(window, 0xfffffffe), Refusal.replayed);
	assert.equal(window.recoverHigh(0x80000000), 1);
});

test("window: nothing comes after the last number of all", () => {
	const window = new ReplayWindow(true, END - 2n);
	assert.equal(receive(window, 0xffffffff), 0);
	/* The very first packet of the SA, recorded back then. */
	assert.equal(receive(window, 1), Refusal.tooOld);
});
