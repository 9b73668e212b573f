/** What keeps an authority's keys in memory writes none of it into a core dump. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LabProcess, must } from "../../lab/process.js";

const CLI = new URL("../../src/main/cli.js", import.meta.url).pathname;
const UNDUMPABLE = new URL("../../src/kernel/undumpable.js", import.meta.url);
const PR_GET_DUMPABLE = 3;
const NO_CORE = /^Max core file size +0 +0 /m;

test("the kernel is told that a process is not to be dumped", async () => {
	const said = await must([
		...[process.execPath, "--input-type=module", "-e"],
		`import * as koffi from ${JSON.stringify(import.meta.resolve("koffi"))};
		import { readFileSync } from "node:fs";
		import { makeUndumpable } from "${UNDUMPABLE}";
		const prctl = koffi.load(null).func("int prctl(int option)");
		const before = prctl(${PR_GET_DUMPABLE});
		makeUndumpable();
		console.log(before, prctl(${PR_GET_DUMPABLE}));
		console.log(readFileSync("/proc/self/limits", "latin1"));`,
	]);
	assert.match(said, /^1 0$/m);
	assert.match(said, NO_CORE);
});

for (const [service, ...options] of [
	["auc", "--listen", "127.0.0.1:0", "--control-port", "0"],
	["controller", "--listen", "127.0.0.1:0", "--auc-listen", "127.0.0.1:0"],
] as const)
	test(`chainmail ${service} is not dumped`, async () => {
		const directory = mkdtempSync(join(tmpdir(), "chainmail-undumpable-"));
		const program = new LabProcess([
			...[process.execPath, CLI, service, "--data-dir", directory],
			...options,
		]);
		try {
			await program.waitFor(/takes commands at|listens on/, 30_000);
			assert.match(
				readFileSync(`/proc/${program.pid}/limits`, "latin1"),
				NO_CORE,
			);
		} finally {
			await program.stop("SIGTERM");
			rmSync(directory, { recursive: true, force: true });
		}
	});
