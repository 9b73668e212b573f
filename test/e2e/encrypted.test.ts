/**
 * A chain over two nodes with its hop sealed: encryption functions in processes of
 * their own, keys from an authentication centre, real traffic.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { LabAuc } from "../../lab/auc.js";
import { Fleet, prefixOf } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import {
	lineAddresses as at,
	line,
	underlayAddress,
} from "../../lab/topologies/line.js";
import { startUdpStream } from "../../lab/traffic/udp-stream.js";
import { efDirectory } from "../../src/agent/ef/ef.js";
import { purge } from "../../src/agent/purge.js";
import { efFiles } from "../../src/functions/ef-process/config.js";
import { efNamespace } from "../../src/functions/names.js";
import { netnsExists } from "../../src/kernel/netns.js";
import { isRunning } from "../../src/kernel/process.js";
import { NO_MEMORY } from "../../src/plan/allocate.js";
import { createPlanner } from "../../src/plan/plan.js";
import {
	chain,
	drops,
	efOf,
	generations,
	NODES,
	newest,
	pings,
	recorded,
} from "./sealed-line.js";
import { until } from "./until.js";

/** Of keys that end in this test; the receiver's some 2 s later. */
const LIFE_MS = 6_000;
const CHAINMAIL = fileURLToPath(
	new URL("../../../bin/chainmail", import.meta.url),
);

describe("a sealed hop", () => {
	let lab: Lab;
	let auc: LabAuc;
	let fleet: Fleet;
	before(async () => {
		lab = await buildLab(line(NODES));
		auc = await LabAuc.start({
			lab,
			host: "in",
			address: underlayAddress(0),
		});
		fleet = await Fleet.open(lab, chain("between-nodes"), auc);
		await auc.ready();
	});
	after(async () => {
		await fleet?.destroy();
		await lab?.destroy();
	});

	const ping = (count = 3) => pings(lab, count);
	const stream = () =>
		startUdpStream({
			from: lab.host("user"),
			to: lab.host("server"),
			address: at.server,
			port: 5000,
			rate: 1000,
			echo: true,
		});

	it("carries traffic both ways", async () => {
		assert.equal(await ping(), 3, drops(fleet));
	});

	it("tells what its encryption functions carry, and how they are", async () => {
		await until("counters are told", () =>
			NODES.every((name) => {
				const ef = fleet.node(name).counters().ef;
				return ef !== undefined && ef.out.packets >= 3 && ef.in.packets >= 3;
			}),
		);
		for (const name of NODES) {
			const ef = fleet.node(name).status().ef;
			const links = fleet.node(name).state.links?.length ?? 0;
			assert.deepEqual(
				[ef?.state, ef?.reason, ef?.active, ef?.sas, ef?.connected],
				["up", "", links, 2 * links, true],
			);
		}
	});

	it("keeps its secrets", async () => {
		for (const name of NODES) {
			const directory = efDirectory(fleet.stateDir(name));
			const { pid } = efOf(fleet, name);
			const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
			assert.match(environment, /^PATH=[^\0]*\0$/);
			const limits = readFileSync(`/proc/${pid}/limits`, "latin1");
			assert.match(limits, /^Max core file size +0 +0 /m);
			const said = [
				readFileSync(`/proc/${pid}/cmdline`, "latin1"),
				environment,
				readFileSync(join(directory, "log"), "latin1"),
				readFileSync(join(directory, "config.json"), "latin1"),
				await toldBy(efFiles(directory).socket),
			].join("\n");
			/* Of keys, as hexadecimal or base64; paths have a slash, but words, too. */
			assert.doesNotMatch(said, /[0-9a-f]{32}|[A-Za-z0-9+]{40}|"key"/);
			assert.deepEqual(open(directory), []);
			assert.ok(!existsSync(efFiles(directory).enrolKey), "it has served");
		}
	});

	it("goes on when agents start anew", async () => {
		const before = NODES.map((name) => efOf(fleet, name));
		const running = await stream();
		for (const name of NODES) await fleet.restart(name);
		await until("both are told of again", () =>
			NODES.every((name) => fleet.node(name).status().ef?.connected === true),
		);
		const { lost, lostBothWays } = await running.stop();
		assert.deepEqual([lost, lostBothWays], [0, 0]);
		assert.deepEqual(
			NODES.map((name) => efOf(fleet, name)),
			before,
		);
	});

	it("loses nothing while keys change", async () => {
		const before = await generations(auc);
		const running = await stream();
		await auc.rekey("in");
		await until("all keys are new", async () => {
			const { links } = await auc.status();
			return links.every(
				({ sas }, i) => sas.length === 1 && newest(sas) > (before[i] ?? 0),
			);
		});
		const { lost, lostBothWays } = await running.stop();
		assert.deepEqual([lost, lostBothWays], [0, 0]);
	});

	it("is missed by the other end while it hangs", async () => {
		const { pid } = efOf(fleet, "in");
		const { nodeId } = fleet.node("in").state;
		const silent = () => fleet.node("out").status().ef?.silent;
		await until("it is heard", () => silent()?.length === 0);
		process.kill(pid, "SIGSTOP");
		try {
			await until("it is missed", () => silent()?.[0] === nodeId);
		} finally {
			process.kill(pid, "SIGCONT");
		}
		await until("it is heard again", () => silent()?.length === 0);
	});

	it("has other keys after its encryption function was killed", async () => {
		const before = await generations(auc);
		const { pid } = efOf(fleet, "in");
		const unserved = () =>
			fleet
				.node("in")
				.counters()
				.drops.find(({ reason }) => reason === "no_ef")?.packets ?? 0;
		const dropped = unserved();
		const running = await stream();
		process.kill(pid, "SIGKILL");
		await until("what it would seal is counted", () => unserved() > dropped);
		await running.stop();
		await until("another one has its keys", async () => {
			const { active, connected } = fleet.node("in").status().ef ?? {};
			return connected === true && active === before.length / 2;
		});
		await until("it carries traffic", async () => (await ping(1)) === 1);
		assert.notEqual(efOf(fleet, "in").pid, pid);
		const after = await generations(auc);
		assert.ok(
			after.every((one, i) => one > (before[i] ?? 0)),
			`${before} then ${after}`,
		);
	});

	it("is there no more where nothing is sealed", async () => {
		const directories = NODES.map((name) => efDirectory(fleet.stateDir(name)));
		const efs = NODES.map((name) => efOf(fleet, name));
		await fleet.apply(chain("never"));
		assert.equal(await ping(), 3, drops(fleet));
		assert.deepEqual(efs.filter(isRunning), []);
		assert.deepEqual(
			NODES.filter((name) => netnsExists(efNamespace(prefixOf(lab), name))),
			[],
		);
		for (const directory of directories)
			assert.deepEqual(readdirSync(directory).sort(), ["identity.json", "log"]);
		await fleet.apply(chain("between-nodes"));
		await auc.ready();
		assert.equal(await ping(), 3, drops(fleet));
	});
});

describe("a sealed hop without an authentication centre", () => {
	let lab: Lab;
	let auc: LabAuc;
	let fleet: Fleet;
	before(async () => {
		lab = await buildLab(line(NODES));
		auc = await LabAuc.start({
			lab,
			host: "in",
			address: underlayAddress(0),
			lifetime: { timeMs: LIFE_MS },
		});
		fleet = await Fleet.open(lab, chain("between-nodes"), auc);
		await auc.ready();
	});
	after(async () => {
		await fleet?.destroy();
		await lab?.destroy();
	});
	const sas = (name: string) => fleet.node(name).status().ef?.sas;

	it("carries traffic until its keys end, and none after that", async () => {
		await auc.kill();
		assert.equal(await pings(lab, 1), 1, drops(fleet));
		await until("all keys have ended", () =>
			NODES.every((name) => sas(name) === 0),
		);
		assert.equal(await pings(lab, 2), 0);
		await until("it is counted", () => {
			const { out } = fleet.node("in").counters().ef ?? {};
			return (out?.refused.unknownPath ?? 0) >= 2;
		});
	});

	it("carries it again once the centre is back", async () => {
		await auc.start();
		await until("it does", async () => (await pings(lab, 1)) === 1, 30_000);
	});
});

describe("an agent that is killed", () => {
	let lab: Lab;
	let directory: string;
	before(async () => {
		lab = await buildLab(line(NODES));
		directory = mkdtempSync(join(tmpdir(), `chainmail-${lab.run}-`));
		lab.removeWithLab(directory);
		lab.removeWithLab(`/sys/fs/bpf/${prefixOf(lab)}`);
	});
	after(async () => {
		await purge(options()).catch(() => {});
		await lab?.destroy();
	});
	const options = () => ({
		prefix: prefixOf(lab),
		node: "in",
		netns: lab.netns("in"),
		stateDir: directory,
	});

	it("leaves its encryption function to the next one", async () => {
		const { plan } = createPlanner()(chain("between-nodes"), NO_MEMORY);
		const state = join(directory, "state.in");
		writeFileSync(state, JSON.stringify(plan.states.get("in")));
		const start = () =>
			lab
				.host("in")
				.startDetached(
					[
						...[CHAINMAIL, "agent", "--node", "in", "--state", state],
						...["--state-dir", directory, "--prefix", prefixOf(lab)],
					],
					join(directory, "agent.log"),
					/node in runs/,
				);
		const first = await start();
		const ef = recorded(directory);
		await first.stop("SIGKILL");
		assert.ok(isRunning(ef), "it runs on");
		const second = await start();
		assert.deepEqual(recorded(directory), ef);
		assert.ok(isRunning(ef), "it was adopted");
		await second.stop();
		await purge(options());
		assert.ok(!isRunning(ef), "it goes with all else");
		assert.ok(!netnsExists(efNamespace(prefixOf(lab), "in")));
	});
});

/** Files and directories that others than root may look into. */
function open(directory: string): string[] {
	const all = readdirSync(directory).map((name) => join(directory, name));
	return [directory, ...all].filter((path) => statSync(path).mode & 0o077);
}

/** The first thing an EF tells whoever asks. */
async function toldBy(socket: string): Promise<string> {
	const asked = connect(socket);
	const [told] = (await once(asked, "data")) as [Buffer];
	asked.destroy();
	return told.toString();
}
