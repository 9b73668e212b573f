/**
 * ESP SPI of a link's SA: E-SPI, E-SI and generation in one word, so that one
 * look-up gives a receiver the SA and its context, and a capture reads by eye.
 *
 *   | E-SPI 20 | E-SI 8 | generation modulo 16: 4 |
 *
 * E-SPI 0 is not used, so no SPI falls into 0 to 255, which RFC 4303 section 2.1
 * reserves. Two SAs of a link that are 16 generations apart never live at once.
 */
import type { SaRef } from "./sa.js";

export const GENERATION_SLOTS = 16;
export const MAX_E_SPI = 2 ** 20 - 1;

/** Number of a link: its E-SPI and E-SI. */
export type LinkId = number;

/** Throws a RangeError when E-SPI or E-SI do not fit. */
export function linkId({ eSpi, eSi }: Omit<SaRef, "generation">): LinkId {
	if (!Number.isInteger(eSpi) || eSpi < 1 || eSpi > MAX_E_SPI) {
		throw new RangeError(`link: E-SPI ${eSpi} is not in 1 to ${MAX_E_SPI}`);
	}
	if (!Number.isInteger(eSi) || eSi < 0 || eSi > 255) {
		throw new RangeError(`link: E-SI ${eSi} is not in 0 to 255`);
	}
	return eSpi * 256 + eSi;
}

/** The SPI in the ESP header of an SA's packets. */
export function espSpi(sa: SaRef): number {
	return linkId(sa) * GENERATION_SLOTS + (sa.generation % GENERATION_SLOTS);
}

/** The link an SPI belongs to, and which of its generations modulo 16. */
export function fromEspSpi(spi: number): {
	readonly eSpi: number;
	readonly eSi: number;
	readonly slot: number;
} {
	return { eSpi: spi >>> 12, eSi: (spi >>> 4) & 0xff, slot: spi & 0xf };
}
