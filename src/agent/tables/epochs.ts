/**
 * The node's epoch. A flow's shortcut past functions holds in the epoch it was
 * made in: a new one makes every packet walk its path again.
 */
import type { Epoch } from "../../kernel/layout.gen.js";
import type { Table } from "./sync.js";

export type EpochMap = Table<number, Epoch>;

const ONLY = 0;

/** Ends every shortcut; `learning`: whether there is anything to learn here. */
export function nextEpoch(epochs: EpochMap, learning?: boolean): void {
	const old = epochs.get(ONLY);
	epochs.set(ONLY, {
		/* Its low half is the kernel's, which counts revocations; never 0. */
		now: ((((old?.now ?? 0) >>> 16) + 1) % 0xffff || 1) * 0x1_0000,
		learning: Number(learning ?? Boolean(old?.learning)),
	});
}
