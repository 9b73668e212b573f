/** Commands and processes that outlive who started them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { netnsPids } from "../../src/kernel/netns.js";
import {
	identify,
	isRunning,
	type ProcessId,
	run,
	spawnDetached,
	terminate,
	watchExit,
} from "../../src/kernel/process.js";
import { root } from "../../tools/root.js";
import { directory, namespace, until } from "./fixture.js";

test("a process is adopted after its parent was killed", async (t) => {
	const logFile = join(directory(t), "log");
	const script = `
		import { spawnDetached } from ${JSON.stringify(join(root, "dist/src/kernel/process.js"))};
		const id = await spawnDetached(["sleep", "1000"], { logFile: ${JSON.stringify(logFile)} });
		console.log(JSON.stringify(id));
		setInterval(() => {}, 1000);`;
	const parent = spawn(
		process.execPath,
		["--input-type=module", "-e", script],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	t.after(() => parent.kill("SIGKILL"));
	const [line] = await once(parent.stdout, "data");
	const id: ProcessId = JSON.parse(String(line));
	t.after(() => terminate(id, 0));
	parent.kill("SIGKILL");
	await once(parent, "exit");
	assert.equal(isRunning(id), true);
	assert.deepEqual(identify(id.pid), id);
	const ended = new Promise<void>((resolve) => watchExit(id, resolve));
	await terminate(id);
	await ended;
	assert.equal(isRunning(id), false);
});

test("another process with the same pid is left alone", async (t) => {
	const id = await spawnDetached(["sleep", "1000"], {
		logFile: join(directory(t), "log"),
	});
	t.after(() => terminate(id, 0));
	const stranger = { ...id, startTime: id.startTime - 1 };
	assert.equal(isRunning(stranger), false);
	await terminate(stranger);
	await new Promise<void>((resolve) => watchExit(stranger, resolve));
	assert.equal(isRunning(id), true);
});

test("a process that ignores SIGTERM ends all the same, with its children", async (t) => {
	const logFile = join(directory(t), "log");
	const script = "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000";
	const id = await spawnDetached(["sh", "-c", script], { logFile });
	t.after(() => terminate(id, 0));
	await until("the child's pid", () =>
		/^\d+\n/.test(readFileSync(logFile, "utf8")),
	);
	const child = identify(Number(readFileSync(logFile, "utf8")));
	assert.ok(child && isRunning(child));
	await terminate(id, 50);
	assert.equal(isRunning(id), false);
	await until("its child to end", () => !isRunning(child));
});

test("a process runs in its namespace, with bpffs in view", async (t) => {
	const netns = await namespace(t);
	const logFile = join(directory(t), "log");
	const id = await spawnDetached(
		["sh", "-c", "stat -f -c %T /sys/fs/bpf; exec sleep 1000"],
		{ netns, logFile },
	);
	t.after(() => terminate(id, 0));
	await until("its output", () => readFileSync(logFile, "utf8") !== "");
	assert.equal(readFileSync(logFile, "utf8"), "bpf_fs\n");
	await until("it alone to be there", () => {
		const pids = netnsPids(netns);
		return pids.length === 1 && pids[0] === id.pid;
	});
});

test("a process gets the environment it is given, not ours", async (t) => {
	process.env.CHAINMAIL_TEST_SECRET = "secret";
	t.after(() => delete process.env.CHAINMAIL_TEST_SECRET);
	const logFile = join(directory(t), "log");
	const env = { COLOUR: "blue" };
	await spawnDetached(["env"], { logFile, env });
	const said = () => readFileSync(logFile, "utf8");
	await until("its environment", () => said().includes("COLOUR=blue"));
	assert.match(said(), /^PATH=/m);
	assert.doesNotMatch(said(), /SECRET/);
});

test("a program that is not there cannot be started", async (t) => {
	const logFile = join(directory(t), "log");
	await assert.rejects(
		spawnDetached(["no-such-program"], { logFile }),
		/no-such-program: ENOENT/,
	);
	await assert.rejects(
		run(["nft-no-such"]),
		/nft-no-such: ENOENT \(is the program installed\?\)/,
	);
});

test("commands end: by themselves, by time, by too much output", async () => {
	assert.equal((await run(["cat"], { input: "a\0b" })).stdout, "a\0b");
	await assert.rejects(
		run(["sleep", "60"], { timeoutMs: 20 }),
		/sleep 60: no end after 20 ms/,
	);
	await assert.rejects(
		run(["yes"], { maxOutput: 4096 }),
		/yes: more than 4096 bytes of output/,
	);
	await assert.rejects(run(["false"]), /false: exit status 1/);
	await assert.rejects(
		run(["ls", "/no such"], { fix: "make it" }),
		/ls "\/no such": .*No such file.* \(make it\)/,
	);
	/* Input to a command that reads none, larger than a pipe. */
	await run(["true"], { input: Buffer.alloc(1 << 20) });
});
