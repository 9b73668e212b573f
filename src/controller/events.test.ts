/** What the log keeps, also over a restart of the controller. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openEventLog } from "./events.js";
import { memoryStore } from "./store/memory.js";

test("events: samples of traffic do not push out who changed what", async () => {
	const store = memoryStore();
	const log = await openEventLog(store, 10);
	log.add({ kind: "change", message: "created Policy web", who: "admin" });
	for (let i = 0; i < 100; i++)
		log.add({ kind: i % 2 ? "drop" : "learned", message: String(i) });
	const texts = () => log.list({}).map(({ message }) => message);
	assert.deepEqual(texts(), [
		"created Policy web",
		...["95", "96", "97", "98", "99"],
	]);
	await log.flush();
	const again = await openEventLog(store, 10);
	assert.deepEqual(again.list({}), log.list({}));
	again.add({ kind: "denied", message: "100" });
	assert.deepEqual(
		again.list({}).map(({ message }) => message),
		["created Policy web", "96", "97", "98", "99", "100"],
	);
});

test("events: of other kinds the newest are kept", async () => {
	const log = await openEventLog(memoryStore(), 10);
	for (let i = 0; i < 30; i++) log.add({ kind: "change", message: String(i) });
	const kept = log.list({}).map(({ message }) => Number(message));
	assert.deepEqual(kept, [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
});
