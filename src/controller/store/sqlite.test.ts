/** The embedded store: the conformance suite, and crashes in the middle of writes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test, { after } from "node:test";
import { conforms } from "./conformance.js";
import { sqliteStore } from "./sqlite.js";

const directory = mkdtempSync(join(tmpdir(), "chainmail-store-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
const freshFile = () => join(directory, `${++files}.db`);

conforms("sqlite", async (now) => sqliteStore(freshFile(), now));

test("sqlite: what was written is there after closing and opening", async () => {
	const path = freshFile();
	const first = sqliteStore(path);
	const version = await first.put("a", [1, 2]);
	await first.close();
	const second = sqliteStore(path);
	assert.deepEqual(await second.get("a"), { key: "a", value: [1, 2], version });
	assert.ok((await second.put("b", 1)) > version, "versions never go back");
	await second.close();
});

test("sqlite: a file that is no database is refused with its path", () => {
	const path = freshFile();
	writeFileSync(path, "this is not a database, it is a text of some length\n");
	assert.throws(() => sqliteStore(path), /store .*\.db: .*database/);
});

/** Writes pairs of keys in one transaction each and says which it was told are safe. */
const writer = `
import { sqliteStore } from ${JSON.stringify(new URL("./sqlite.js", import.meta.url).href)};
const store = sqliteStore(process.argv[1]);
for (let i = Number(process.argv[2]); ; i++) {
	await store.transact([{ key: "left/" + i, value: i }, { key: "right/" + i, value: i }]);
	process.stdout.write(i + "\\n");
}`;

test("sqlite: kill -9 in the middle of writes loses nothing acknowledged and tears no transaction", async () => {
	const path = freshFile();
	let next = 0;
	for (let round = 0; round < 5; round++) {
		const child = spawn(
			process.execPath,
			["--input-type=module", "-e", writer, path, String(next)],
			{ stdio: ["ignore", "pipe", "inherit"] },
		);
		let acknowledged = -1;
		for await (const line of createInterface({ input: child.stdout })) {
			acknowledged = Number(line);
			if (acknowledged === next + 20 + round * 7) child.kill("SIGKILL");
		}
		if (child.exitCode === null && child.signalCode === null) {
			await once(child, "exit");
		}
		assert.equal(
			child.signalCode,
			"SIGKILL",
			"the writer ran until it was killed",
		);

		const store = sqliteStore(path);
		const left = (await store.list("left/")).map((entry) => entry.value);
		const right = (await store.list("right/")).map((entry) => entry.value);
		await store.close();
		assert.deepEqual(left, right);
		const have = new Set(left);
		for (let i = 0; i <= acknowledged; i++) assert.ok(have.has(i), `lost ${i}`);
		next = acknowledged + 1;
	}
});
