/**
 * kill -9 of the controller and of each agent, idle and in the middle of
 * changes, under load: no packet is lost, and both adopt what runs.
 * CHAINMAIL_SEED chooses the moments of changes again.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { NodeView } from "../../src/api/schemas.js";
import { netnsPids } from "../../src/kernel/netns.js";
import { Random, REPLAY, SEED } from "../random.js";
import { Connection, losesNothing } from "./load.js";
import {
	activePaths,
	apply,
	CHAIN,
	counters,
	type Edge,
	EXAMPLE,
	NODES,
	openEdge,
	settled,
} from "./mobile-edge.js";

const FUNCTIONS = ["edge1.firewall.firewall-1", "edge2.monitor.monitor-1"];
const SHORT = EXAMPLE.replace(CHAIN, "firewall");
/** Times an agent is killed at a random moment of a change. */
const KILLS = 3;

/** What agents run in a function's namespace for a moment. */
const TOOLS = ["nft", "conntrack", "ip", "nsenter", "setpriv"];

function isProgram(pid: number): boolean {
	try {
		const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
		return !TOOLS.includes(name);
	} catch {
		return false;
	}
}

describe("kill -9 under load", () => {
	let edge: Edge;
	let connection: Connection;
	before(async () => {
		edge = await openEdge();
		connection = await Connection.start(edge.lab);
	});
	after(async () => edge?.lab.destroy());

	/** Namespaces, interfaces and programs of the functions, as the kernel has them. */
	async function functionsThatRun() {
		return Promise.all(
			FUNCTIONS.map(async (name) => {
				const namespace = edge.lab.netns(name);
				const node = name.slice(0, name.indexOf("."));
				const links = await edge.lab.host(node).must(["ip", "-o", "link"]);
				return {
					name,
					inode: statSync(`/run/netns/${namespace}`).ino,
					pids: netnsPids(namespace).filter(isProgram),
					ends: links.match(/^\d+: cmP\d+\w/gm),
				};
			}),
		);
	}

	const paths = async () =>
		(await activePaths(edge)).map(({ spi, reverseSpi, direction, hops }) => ({
			spi,
			reverseSpi,
			direction,
			hops: hops.map(({ kind, node, instance }) => ({ kind, node, instance })),
		}));

	/** Chains of instances that new flows take, each once. */
	const chains = async () => [
		...new Set(
			(await paths()).map(({ hops }) =>
				hops.flatMap(({ instance }) => instance ?? []).join(" "),
			),
		),
	];

	/** Packets by place: hops count also those that skip their function. */
	async function counts(): Promise<Map<string, number>> {
		const all = await counters(edge);
		return new Map(
			all.flatMap(({ node, hops }) =>
				hops.map((hop): [string, number] => [
					`${node} path ${hop.spi} si ${hop.si}`,
					hop.packets,
				]),
			),
		);
	}

	async function nodeIs(node: string, connected: boolean): Promise<void> {
		await edge.installation.until<NodeView[]>(
			`${node} is ${connected ? "" : "not "}connected`,
			["get", "nodes"],
			(all) =>
				all.some(
					({ name, status }) => name === node && status.connected === connected,
				),
		);
	}

	async function kill(program: string): Promise<void> {
		const running = edge.installation.program(program);
		assert.equal((await running.stop("SIGKILL")).signal, "SIGKILL");
	}

	/** Everything that a restart must leave as it is, before and after one. */
	async function unchangedBy(restart: () => Promise<void>): Promise<void> {
		const before = {
			functions: await functionsThatRun(),
			paths: await paths(),
			counts: await counts(),
		};
		assert.ok(before.functions.some(({ pids }) => pids.length > 0));
		await losesNothing(edge, restart);
		assert.deepEqual(await functionsThatRun(), before.functions);
		assert.deepEqual(await paths(), before.paths);
		const after = await counts();
		for (const [place, packets] of before.counts) {
			const now = after.get(place) ?? Number.NaN;
			assert.ok(
				packets === 0 ? now >= 0 : now >= packets + 500,
				`${place}: ${packets} before, ${now} after`,
			);
		}
		assert.ok(connection.running, "the connection lives");
	}

	it("controller: traffic flows on; the next one knows all and finds both agents", async () => {
		const directory = join(edge.installation.directory, "controller");
		const remembered = () => ({
			admin: readFileSync(edge.installation.configFile, "utf8"),
			ca: createHash("sha256")
				.update(readFileSync(join(directory, "ca.crt")))
				.digest("hex"),
		});
		const [revision] = (await settled(edge)).map(
			({ status }) => status.desired,
		);
		const token = await edge.installation.expect(
			"token create watcher --role operator".split(" "),
		);
		const known = remembered();
		await unchangedBy(async () => {
			await kill("controller");
			const refused = await edge.installation.cli(["get", "nodes"]);
			assert.notEqual(refused.status, 0);
			assert.match(refused.stderr, /is the controller running|\(.+\)/);
			await edge.installation.startController();
			const nodes = await settled(edge);
			for (const { status } of nodes) assert.equal(status.desired, revision);
		});
		assert.deepEqual(remembered(), known);
		const tokens = await edge.installation.expect(["token", "list"]);
		assert.match(tokens.stdout, /watcher/, token.stdout);
	});

	it("one agent, then the other: the next one adopts data plane and functions", async () => {
		await unchangedBy(async () => {
			for (const node of NODES) {
				await kill(node);
				await nodeIs(node, false);
				await edge.installation.startAgent(node);
				await settled(edge);
			}
		});
	});

	it("all three at once, and then a change", async () => {
		await unchangedBy(async () => {
			const programs = ["controller", ...NODES];
			await Promise.all(programs.map(kill));
			/* Agents first: they take up their work without a controller. */
			await Promise.all(
				NODES.map((node) => edge.installation.startAgent(node)),
			);
			await edge.installation.startController();
			await settled(edge);
		});
		await losesNothing(edge, () => apply(edge, SHORT));
		assert.deepEqual(await chains(), ["firewall-1"]);
	});

	it("an agent at random moments of changes: it ends in the new state, nothing is lost", async (t) => {
		t.diagnostic(REPLAY);
		const random = new Random(SEED);
		let long = false;
		const tookMs = await losesNothing(edge, async () => {
			const start = performance.now();
			await apply(edge, EXAMPLE);
			return performance.now() - start;
		});
		for (let n = 0; n < KILLS; n++) {
			const node = NODES[n % NODES.length] ?? "";
			/* A share of what a change takes on this machine, so that it means the same on another. */
			const atMs = (tookMs * random.below(100)) / 100;
			const what = `${REPLAY}: ${node} killed ${atMs.toFixed(0)} ms into a change of ${tookMs.toFixed(0)} ms`;
			await losesNothing(edge, async () => {
				const applied = apply(edge, long ? EXAMPLE : SHORT);
				applied.catch(() => {});
				await delay(atMs);
				await kill(node);
				await edge.installation.startAgent(node);
				await applied;
				await settled(edge);
			}).catch((error: Error) => {
				throw new Error(`${what}: ${error.message}`, { cause: error });
			});
			const wanted: string[] = long
				? ["firewall-1 monitor-1", "monitor-1 firewall-1"]
				: ["firewall-1"];
			assert.deepEqual(await chains(), wanted, what);
			long = !long;
		}
	});

	it("the TCP connection outlived all of it", async () => {
		await connection.end();
	});
});
