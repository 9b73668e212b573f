import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurns } from "./turns.js";

/** Ends when it is told to. */
function piece() {
	let end = () => {};
	const ended = new Promise<void>((done) => {
		end = done;
	});
	return { end, ended };
}

test("pieces of work run one after the other, also after one that fails", async () => {
	const said: string[] = [];
	const turns = createTurns(() => said.push("idle"));
	const first = piece();
	const one = turns.take(async () => {
		said.push("one begins");
		await first.ended;
		said.push("one ends");
	});
	const two = turns.take(async () => {
		said.push("two");
		throw new Error("two fails");
	});
	const three = turns.take(async () => said.push("three"));
	first.end();
	await one;
	await assert.rejects(two, /two fails/);
	await three;
	await turns.close();
	assert.deepEqual(said, ["one begins", "one ends", "two", "three"]);
});

test("work learns that something newer waits, before it or while it runs", async () => {
	const turns = createTurns(() => {});
	const seen: boolean[] = [];
	const first = piece();
	const one = turns.take(async (newer) => {
		seen.push(newer.aborted);
		await new Promise((done) => newer.addEventListener("abort", done));
		await first.ended;
	});
	await Promise.resolve();
	const two = turns.take(async (newer) => seen.push(newer.aborted));
	const three = turns.take(async (newer) => seen.push(newer.aborted));
	first.end();
	await Promise.all([one, two, three]);
	assert.deepEqual(seen, [false, true, false]);
});

test("what is idle is told so; closed, nothing more runs", async () => {
	let idle = 0;
	const told = piece();
	const turns = createTurns(() => {
		idle++;
		told.end();
	});
	await Promise.all([turns.take(async () => {}), turns.take(async () => {})]);
	await told.ended;
	assert.equal(idle, 1, "once, after the last");
	const late = turns.take(async () => assert.fail("ran"));
	const closed = turns.close();
	await assert.rejects(late, { code: "shutting_down" });
	await closed;
	assert.ok(turns.isClosed);
});
