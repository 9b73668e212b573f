/** A link and randomness for the tests of keys/. */
import { Random } from "../../plan/random.js";
import type { KeyedEntry, Link } from "../sa.js";
import { type RandomBytes, Secret } from "../secret.js";

export const LINK: Link = {
	eSpi: 7,
	eSi: 254,
	flowClass: "mail",
	sender: "a",
	receiver: "b",
	algorithm: "aes-gcm-128",
	extSeqNum: true,
	antiReplayWindowSize: 1024,
	hard: { timeMs: 100_000, bytes: 1_000_000, packets: 10_000 },
};

/** Bytes that are the same in every run. */
export function noise(seed: number): RandomBytes {
	const random = new Random(seed);
	return (length) =>
		Buffer.from(Array.from({ length }, () => random.below(256)));
}

export function entryOfLink(
	generation: number,
	role: "sender" | "receiver",
	link = LINK,
): KeyedEntry {
	const { eSpi, eSi, flowClass, algorithm, extSeqNum, hard } = link;
	return {
		eSpi,
		eSi,
		generation,
		role,
		peer: role === "sender" ? link.receiver : link.sender,
		flowClass,
		algorithm,
		extSeqNum,
		antiReplayWindowSize: link.antiReplayWindowSize,
		soft: {
			timeMs: hard.timeMs * 0.8,
			bytes: hard.bytes * 0.8,
			packets: hard.packets * 0.8,
		},
		hard,
		ageMs: 0,
		key: new Secret(noise(generation)(20)),
	};
}
