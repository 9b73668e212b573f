import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { espSpi, fromEspSpi, linkId, MAX_E_SPI } from "./spi.js";

const sa = fc.record({
	eSpi: fc.integer({ min: 1, max: MAX_E_SPI }),
	eSi: fc.integer({ min: 0, max: 255 }),
	generation: fc.integer({ min: 0, max: 2 ** 40 }),
});

test("an SPI is 32 bits, not reserved, and says its link and slot", () => {
	fc.assert(
		fc.property(sa, (one) => {
			const spi = espSpi(one);
			assert.ok(spi > 255 && spi <= 0xffffffff);
			assert.deepEqual(fromEspSpi(spi), {
				eSpi: one.eSpi,
				eSi: one.eSi,
				slot: one.generation % 16,
			});
		}),
	);
});

test("SPIs differ between links, and between 16 generations of one", () => {
	const spis = new Set<number>();
	for (const eSpi of [1, 2, 4095, MAX_E_SPI])
		for (const eSi of [0, 1, 255])
			for (let generation = 20; generation < 36; generation++)
				spis.add(espSpi({ eSpi, eSi, generation }));
	assert.equal(spis.size, 4 * 3 * 16);
});

test("what does not fit is refused", () => {
	for (const [eSpi, eSi] of [
		[0, 1],
		[MAX_E_SPI + 1, 1],
		[1.5, 1],
		[1, 256],
		[1, -1],
	] as const) {
		assert.throws(() => linkId({ eSpi, eSi }), RangeError);
	}
});
