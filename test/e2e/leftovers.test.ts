/** Nothing stays: of a lab whose owner was killed, of an agent that was killed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildLab } from "../../lab/lab.js";
import { listRuns, namespacesOf } from "../../lab/runs.js";
import { pair } from "../../lab/topologies/pair.js";
import { pinDirectory } from "../../src/agent/dataplane.js";
import { tracesOf } from "./leftovers.js";
import { openEdge } from "./mobile-edge.js";

const CHAINMAIL = fileURLToPath(
	new URL("../../../bin/chainmail", import.meta.url),
);

test("a lab whose owner was killed: the next lab removes it", async () => {
	const program = fileURLToPath(new URL("./lab-owner.js", import.meta.url));
	const owner = spawn(process.execPath, [program], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const [line] = (await once(owner.stdout, "data")) as [Buffer];
	const run = line.toString().trim();
	owner.kill("SIGKILL");
	await once(owner, "exit");
	const left = (await tracesOf(run)).join("\n");
	for (const one of ["/run/netns/", ".pcap", ".log", "chainmail-lab/"])
		assert.ok(left.includes(one), `${one} is among: ${left}`);
	const next = await buildLab(pair);
	try {
		assert.deepEqual(await tracesOf(run), []);
	} finally {
		await next.destroy();
	}
	assert.deepEqual(await tracesOf(next.run), []);
});

test("an agent that was killed: purging its node leaves only who it is", async () => {
	const edge = await openEdge();
	const { lab, installation } = edge;
	try {
		const host = lab.host("edge1");
		const { prefix, directory } = installation;
		const stateDir = join(directory, "edge1");
		const ours = () =>
			namespacesOf(lab.run).filter((name) => name.includes("-edge1."));
		const links = () => host.must(["ip", "-o", "link"]);
		assert.equal(ours().length, 1);
		assert.match(await links(), /cmP\d/);
		await installation.program("edge1").stop("SIGKILL");
		const purge = [
			...[CHAINMAIL, "agent", "--purge", "--node", "edge1"],
			...["--prefix", prefix, "--state-dir", stateDir],
		];
		await host.must(purge);
		assert.deepEqual(ours(), []);
		assert.doesNotMatch(await links(), /cmP\d/);
		assert.ok(!existsSync(pinDirectory(prefix, "edge1")));
		assert.ok(existsSync(pinDirectory(prefix, "edge2")), "the other's stay");
		assert.deepEqual(readdirSync(stateDir), ["identity.json"]);
		await host.must(purge);
	} finally {
		await lab.destroy();
	}
	assert.deepEqual(await tracesOf(lab.run), []);
	assert.ok(!listRuns().some(({ run }) => run === lab.run));
});
