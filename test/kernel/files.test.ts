/** Files that hold secrets, on a disk that is full. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { writePrivate } from "../../src/kernel/files.js";
import { run } from "../../src/kernel/process.js";

const directory = mkdtempSync(join(tmpdir(), "chainmail-full-"));

before(async () => {
	await run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", directory]);
});
after(async () => {
	await run(["umount", directory]);
	rmSync(directory, { recursive: true });
});

it("a text that does not fit fails, and the one before it stays", () => {
	const file = join(directory, "ca.key");
	writePrivate(file, "first");
	assert.throws(() => writePrivate(file, "x".repeat(100_000)), /ENOSPC/);
	assert.equal(readFileSync(file, "utf8"), "first");
	assert.deepEqual(readdirSync(directory), ["ca.key"]);
});
