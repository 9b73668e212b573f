/** Labs are built, used and removed; a killed run is swept by the next. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildLab } from "./lab.js";
import { namespacesOf, readRecord, sweepStaleRuns } from "./runs.js";
import { mobileEdge, mobileEdgeAddresses } from "./topologies/mobile-edge.js";
import { pair, pairAddresses } from "./topologies/pair.js";
import { ping } from "./traffic/ping.js";

test("lab: the mobile edge carries IPv4 and IPv6 from end to end, then vanishes", async () => {
	const lab = await buildLab(
		mobileEdge({ routers: ["edge1", "router", "edge2"] }),
	);
	try {
		const user = lab.host("user");
		for (const address of [
			mobileEdgeAddresses.server,
			mobileEdgeAddresses.server6,
		]) {
			const { received } = await ping(user, address, { count: 2 });
			assert.equal(received, 2, address);
		}
		const { received } = await ping(
			lab.host("edge1"),
			mobileEdgeAddresses.controller,
			{ count: 1 },
		);
		assert.equal(received, 1);
		assert.equal(namespacesOf(lab.run).length, 7);
	} finally {
		await lab.destroy();
	}
	assert.deepEqual(namespacesOf(lab.run), []);
	assert.equal(readRecord(lab.run), undefined);
});

test("lab: destroying it ends its programs and removes its files", async () => {
	const lab = await buildLab(pair);
	const directory = mkdtempSync(join(tmpdir(), "chainmail-lab-"));
	lab.removeWithLab(directory);
	const program = lab.host("client").start(["sleep", "1000"]);
	// A grandchild that nobody tracks is found by its namespace.
	const untracked = lab
		.host("server")
		.start(["sh", "-c", "sleep 1000 & echo $!; wait"]);
	const [, child] = await untracked.waitFor(/^(\d+)$/m);
	await lab.destroy();
	assert.equal(program.running, false);
	assert.equal(untracked.running, false);
	assert.equal(existsSync(`/proc/${child}/exe`), false);
	assert.equal(existsSync(directory), false);
});

test("lab: a failed build leaves nothing behind", async () => {
	const before = new Set(allRuns());
	await assert.rejects(
		buildLab({
			hosts: ["a", "b"],
			links: [{ a: "a:x", b: "b:x", addresses: { a: ["not-an-address"] } }],
		}),
		/not-an-address/,
	);
	assert.deepEqual(
		allRuns().filter((run) => !before.has(run) && namespacesOf(run).length > 0),
		[],
	);
});

for (const [signal, removedBy] of [
	["SIGTERM", "itself"],
	["SIGKILL", "the next sweep"],
] as const)
	test(`lab: a run ended by ${signal} is removed by ${removedBy}`, async () => {
		const script = `
			import { buildLab } from ${JSON.stringify(new URL("lab.js", import.meta.url).href)};
			import { pair } from ${JSON.stringify(new URL("topologies/pair.js", import.meta.url).href)};
			const lab = await buildLab(pair);
			const program = lab.host("client").start(["sleep", "1000"]);
			console.log(lab.run + " " + program.pid);
			setInterval(() => {}, 1000);
		`;
		const owner = spawn(
			process.execPath,
			["--input-type=module", "--eval", script],
			{ stdio: ["ignore", "pipe", "inherit"] },
		);
		const [line] = (await once(owner.stdout, "data")) as [Buffer];
		const [run = "", pid = ""] = line.toString().trim().split(" ");
		assert.equal(namespacesOf(run).length, 2);
		owner.kill(signal);
		await once(owner, "exit");
		if (signal === "SIGKILL") {
			assert.equal(namespacesOf(run).length, 2);
			sweepStaleRuns();
		}
		assert.deepEqual(namespacesOf(run), []);
		assert.equal(readRecord(run), undefined);
		assert.equal(existsSync(`/proc/${pid}/exe`), false);
	});

test("lab: a kept run survives the sweep", async () => {
	const lab = await buildLab(pair);
	try {
		lab.keep();
		assert.deepEqual(
			sweepStaleRuns().filter((run) => run === lab.run),
			[],
		);
		const { received } = await ping(lab.host("client"), pairAddresses.server, {
			count: 1,
		});
		assert.equal(received, 1);
	} finally {
		await lab.destroy();
	}
});

function allRuns(): string[] {
	return [
		...new Set(
			namespacesOf("").map((name) => name.slice(2).replace(/-.*/, "")),
		),
	];
}
