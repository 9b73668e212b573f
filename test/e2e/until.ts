/** Waits for what must come about, and says what it was when it does not. */
import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 20;

export async function until(
	what: string,
	holds: () => boolean | Promise<boolean>,
	timeoutMs = 15_000,
): Promise<void> {
	const deadline = Date.now() + timeoutMs;
	while (!(await holds())) {
		if (Date.now() > deadline)
			throw new Error(`waited ${timeoutMs} ms until ${what}`);
		await delay(POLL_MS);
	}
}
