/** The demo as a user runs it: it holds, it can be interrupted, nothing stays. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { listRuns, namespacesOf, sweepStaleRuns } from "../../lab/runs.js";
import { tracesOf } from "./leftovers.js";

const DEMO = fileURLToPath(new URL("../../lab/demo.js", import.meta.url));
const PINS = "/sys/fs/bpf";

interface Demo {
	readonly pid: number;
	readonly exited: Promise<unknown>;
	output(): string;
	kill(signal: NodeJS.Signals): void;
	/** Id of its run, once the demo prints this. */
	runAt(text: string): Promise<string>;
}

function startDemo(...args: string[]): Demo {
	const child = spawn(process.execPath, [DEMO, ...args], {
		stdio: ["ignore", "pipe", "pipe"],
	});
	let text = "";
	const exited = once(child, "exit").then(([status]) => status as unknown);
	for (const stream of [child.stdout, child.stderr])
		stream.setEncoding("utf8").on("data", (data: string) => {
			text += data;
		});
	return {
		pid: child.pid ?? -1,
		exited,
		output: () => text,
		kill: (signal) => void child.kill(signal),
		async runAt(wanted) {
			while (!text.includes(wanted)) {
				assert.equal(child.exitCode, null, text);
				await once(child.stdout, "data");
			}
			const record = listRuns().find(({ pid }) => pid === child.pid);
			assert.ok(record, "the demo's run is recorded");
			return record.run;
		},
	};
}

async function assertGone(run: string): Promise<void> {
	assert.deepEqual(await tracesOf(run), []);
}

test("demo: everything holds, nothing stays", async () => {
	const demo = startDemo();
	const run = await demo.runAt("Controller and agents");
	assert.equal(await demo.exited, 0, demo.output());
	assert.match(demo.output(), /lost: 0/);
	assert.match(demo.output(), /Everything held/);
	assert.doesNotMatch(demo.output(), /✖/);
	await assertGone(run);
});

for (const signal of ["SIGINT", "SIGKILL"] as const)
	test(`demo: ended by ${signal} in the middle, nothing stays`, async () => {
		const demo = startDemo();
		const run = await demo.runAt("Traffic through the chain");
		assert.ok(namespacesOf(run).length > 7, "functions run");
		assert.ok(existsSync(`${PINS}/cm${run}`), "the data plane is pinned");
		demo.kill(signal);
		await demo.exited;
		if (signal === "SIGKILL") sweepStaleRuns();
		await assertGone(run);
	});

test("demo: a kept one goes on without its process and ends on request", async () => {
	const demo = startDemo("--keep");
	const run = await demo.runAt("Controller and agents");
	assert.equal(await demo.exited, 0, demo.output());
	assert.ok(namespacesOf(run).length > 7);
	assert.match(demo.output(), new RegExp(`--end ${run}`));
	const user = namespacesOf(run).find((name) => name.endsWith("-user"));
	const curl = spawn("nsenter", [
		`--net=/run/netns/${user}`,
		"curl",
		"--silent",
		"--max-time",
		"5",
		"http://203.0.113.10/",
	]);
	const [status] = (await once(curl, "exit")) as [number];
	assert.equal(status, 0, "traffic still passes the chain");
	const end = startDemo("--end", run);
	assert.equal(await end.exited, 0, end.output());
	await assertGone(run);
});
