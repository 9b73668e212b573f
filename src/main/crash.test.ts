/** A real controller process, killed with SIGKILL at each phase of a change. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import type { NodeState } from "../plan/state.js";
import { FakeAgent, join } from "./testing/fake-agent.js";
import { adminOf, documents, joinToken, policy } from "./testing/network.js";

const program = `
import { startController } from ${JSON.stringify(new URL("./controller.js", import.meta.url).href)};
const [dataDir, port] = process.argv.slice(1);
const { url } = await startController({
	dataDir, port: Number(port), logLevel: "silent",
	reconnectMs: 3000, drainIdleMs: 1000, drainMaxMs: 60000,
});
console.log(url);`;

async function start(dataDir: string, port: number) {
	const child = spawn(
		process.execPath,
		["--input-type=module", "-e", program, dataDir, String(port)],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	for await (const url of createInterface({ input: child.stdout })) {
		return { child, url };
	}
	throw new Error("controller: ended before it listened");
}

async function kill(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	child.kill("SIGKILL");
	await once(child, "exit");
}

/** Every path a rule can choose is there, new flows may take it. */
function assertWhole(state: NodeState): void {
	const paths = new Map(state.paths.map((path) => [path.spi, path]));
	for (const rule of state.ruleSets.flatMap((set) => set.rules)) {
		if (rule.action.kind !== "chain") continue;
		for (const spi of rule.action.slots) {
			assert.equal(paths.get(spi)?.active, true, `rule chooses path ${spi}`);
		}
	}
}

const lengths = (state: NodeState | undefined) =>
	new Set(
		(state?.paths ?? [])
			.filter((path) => path.policy === "web")
			.map((path) => path.length),
	);

/** Killed when the n-th state of the change arrives, before or after it is acknowledged. */
const moments = [
	["make is sent", 1, false],
	["make is acknowledged by one", 1, true],
	["switch is sent", 2, false],
	["switch is acknowledged by one", 2, true],
	["old paths drain", 2, "drain"],
	["break is sent", 3, false],
] as const;

for (const [what, n, after] of moments) {
	test(`crash: killed when ${what}, a new controller finishes the change`, async () => {
		const dataDir = mkdtempSync(joinPath(tmpdir(), "chainmail-crash-"));
		let { child, url } = await start(dataDir, 0);
		const agents: FakeAgent[] = [];
		const admin = adminOf(dataDir);
		try {
			for (const node of ["edge1", "edge2"]) {
				const token = await joinToken(admin, node);
				const agent = new FakeAgent(node, await join(url, node, token));
				await agent.connect(url);
				agents.push(agent);
			}
			const [edge1, edge2] = agents as [FakeAgent, FakeAgent];
			assert.equal((await admin.apply(documents)).status, 200);
			for (const agent of agents) assertWhole(agent.running as NodeState);

			let count = 0;
			let killed: Promise<void> | undefined;
			edge2.idleMs = n === 3 ? 9999 : 0;
			edge1.react = () => {
				if (++count === n && after !== "drain") {
					killed = kill(child);
					return after ? "ack" : "ignore";
				}
				return "ack";
			};
			const longer = policy(
				"web",
				"acme",
				"match(proto=tcp & dport=80) >> firewall -> ids",
			);
			const applied = admin.apply([longer]).catch(() => undefined);
			if (after === "drain") {
				await applied;
				killed = kill(child);
			} else await edge1.until(() => count >= n);
			await killed;
			await applied;
			for (const agent of agents) await agent.until(() => !agent.isConnected);

			edge1.react = () => "ack";
			edge2.idleMs = 9999;
			const port = Number(new URL(url).port);
			({ child, url } = await start(dataDir, port));
			for (const agent of agents) await agent.connect(url);
			for (const agent of agents) {
				await agent.until(() => {
					const [only, ...more] = lengths(agent.running);
					return only === 2 && more.length === 0;
				}, 20_000);
				for (const state of agent.states) assertWhole(state);
				const revisions = agent.states.map((state) => state.revision);
				assert.deepEqual(
					revisions,
					[...revisions].sort((a, b) => a - b),
					"a node never goes back",
				);
			}
			const again = adminOf(dataDir);
			const web = await again.get("/v1/policies/web");
			assert.match(web.body.spec.rule, /ids/);
			await again.close();
		} finally {
			for (const agent of agents) await agent.leave();
			await admin.close();
			await kill(child);
			rmSync(dataDir, { recursive: true, force: true });
		}
	});
}
