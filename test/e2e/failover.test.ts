/** Functions that fail under traffic: who takes over, and what onFailure does. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { cut, killProgram, unplug } from "../../lab/break-function.js";
import { Fleet } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { lineAddresses as at, line } from "../../lab/topologies/line.js";
import { FlowSet } from "../../lab/traffic/flow-set.js";
import { startIperfServer } from "../../lab/traffic/iperf.js";
import {
	startTcpRequests,
	startTcpServer,
} from "../../lab/traffic/tcp-requests.js";
import { startUdpStream } from "../../lab/traffic/udp-stream.js";
import type { FunctionDocument } from "../../src/model/intent.js";
import { intentOf } from "../../src/plan/fixtures.js";

type Spec = FunctionDocument["spec"];

const PROBE: NonNullable<Spec["probe"]> = {
	proto: "udp",
	dport: 7,
	intervalMs: 10,
};
/** It knows connections: answers pass only as part of one. */
const RULESET = {
	text: "table inet f {\n chain c {\n  type filter hook forward priority 0; policy drop;\n  ct state established,related accept\n  tcp dport { 5000-5300, 7000 } accept\n  udp dport { 7, 5000-5300, 6000 } accept\n }\n}\n",
};
const NODE = "node";

function intent(spec: Partial<Spec>) {
	return intentOf(
		{
			kind: "Tenant",
			name: "blue",
			spec: { subnets: ["10.0.1.0/24"], exit: NODE },
		},
		{
			kind: "Node",
			name: NODE,
			spec: {
				interfaces: [
					{ name: "acc", role: "access", tenant: "blue" },
					{ name: "ext", role: "exit" },
				],
			},
		},
		{
			kind: "Function",
			name: "fn",
			spec: {
				attach: "routed",
				runtime: "process",
				ruleset: RULESET,
				instances: [{ name: "a", node: NODE }],
				...spec,
			},
		},
		{
			kind: "Policy",
			name: "all",
			spec: { tenant: "blue", rule: "match(proto={tcp, udp}) >> fn" },
		},
	);
}

const PAIR = [
	{ name: "a", node: NODE },
	{ name: "b", node: NODE, standby: true },
];

class World {
	private constructor(
		readonly lab: Lab,
		readonly fleet: Fleet,
	) {}

	static async open(spec: Partial<Spec>): Promise<World> {
		const lab = await buildLab(line([NODE]));
		const world = new World(lab, await Fleet.open(lab, intent(spec)));
		await world.until("all are up", () => {
			const { instances } = world.fleet.node(NODE).status();
			return instances.every(({ state }) => state === "up");
		});
		return world;
	}

	readonly where = (instance: string) => ({
		node: NODE,
		function: "fn",
		instance,
	});

	/** Packets that an instance gave back so far. */
	passed(instance: string): number {
		return this.fleet
			.node(NODE)
			.counters()
			.ports.filter((port) => port.instance === instance)
			.reduce((sum, { fromFunction }) => sum + fromFunction.packets, 0);
	}

	dropped(reason: string): number {
		const { drops } = this.fleet.node(NODE).counters();
		return drops.find((one) => one.reason === reason)?.packets ?? 0;
	}

	/** What the node says of an instance. */
	said(instance: string): string {
		const { instances } = this.fleet.node(NODE).status();
		const one = instances.find(({ instance: name }) => name === instance);
		return `${one?.state}: ${one?.reason}`;
	}

	async until(what: string, holds: () => boolean): Promise<void> {
		const deadline = Date.now() + 20_000;
		while (!holds()) {
			assert.ok(Date.now() < deadline, `not reached: ${what}`);
			await delay(5);
		}
	}

	async close(): Promise<void> {
		await this.fleet.destroy();
		await this.lab.destroy();
	}
}

const UDP = 40;
const TCP = 20;

/** Flows of both kinds through the function, from the user to the server. */
function flows({ lab }: World, port: number): Promise<FlowSet> {
	return FlowSet.open({
		from: lab.host("user"),
		to: lab.host("server"),
		address: at.server,
		port,
		udp: UDP,
		tcp: TCP,
	});
}

/** Longer than TCP waits to send again what was lost. */
const PATIENCE_MS = 10_000;
/** What does not pass in this time is held up. */
const GLANCE_MS = 400;

describe("an instance fails, a standby is on its node", () => {
	let world: World;
	after(() => world?.close());

	it("all flows go on through the standby, and come back when it is mended", async () => {
		/* Every packet sees it: counted is who served. */
		world = await World.open({
			probe: PROBE,
			instances: PAIR,
			offload: "none",
		});
		const all = await flows(world, 5000);
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		assert.equal(world.passed("b"), 0, "a standby waits");
		await startTcpServer(world.lab.host("server"), at.server, 7000);
		const transfer = await startTcpRequests({
			from: world.lab.host("user"),
			address: at.server,
			port: 7000,
			timeoutMs: PATIENCE_MS,
		});
		const stream = await startUdpStream({
			from: world.lab.host("user"),
			to: world.lab.host("server"),
			address: at.server,
			port: 6000,
			rate: 1000,
			echo: true,
		});
		const taken = world.fleet.nextEvent("failover");
		const mend = await cut(world.lab, world.where("a"));
		await taken;
		assert.match(world.said("a"), /^down: probe.*; b serves its flows/);
		await world.until("packets pass b", () => world.passed("b") > 2000);
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP, "no flow is stuck");
		const back = world.fleet.nextEvent("failover");
		await mend();
		await back;
		assert.equal(world.said("a"), "up: probe");
		const served = world.passed("a");
		await world.until("packets pass a", () => world.passed("a") > served + 500);
		const { sent, received, duplicated } = await stream.stop();
		assert.ok(received > 2000 && received <= sent, `${received} of ${sent}`);
		assert.equal(duplicated, 0);
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		const { answered, failed } = await transfer.stop();
		assert.ok(answered > 100, `${answered} answers`);
		assert.equal(failed, 0);
	});

	it("a download goes on, though its client has nothing to say", async () => {
		const { lab } = world;
		await startIperfServer(lab.host("server"));
		const before = world.passed("a");
		const download = lab
			.host("user")
			.start(`iperf3 -c ${at.server} -R -n 40M -b 80M -J`.split(" "));
		await world.until("it runs", () => world.passed("a") > before + 500);
		const served = world.passed("b");
		const mend = await cut(lab, world.where("a"));
		await world.until("it ends", () => !download.running);
		assert.equal((await download.exited).status, 0, download.stdout);
		assert.ok(world.passed("b") > served + 500);
		await mend();
		await world.until("a serves", () => world.said("a") === "up: probe");
	});

	it("one whose link goes down is served for, and mended by its agent", async () => {
		const all = await flows(world, 5001);
		const taken = world.fleet.nextEvent("failover");
		await unplug(world.lab, world.where("a"));
		await taken;
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		await world.until("a is up", () => world.said("a") === "up: probe");
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
	});

	it("both fail: nothing passes until one of them is back", async () => {
		const all = await flows(world, 5002);
		const mends = [];
		for (const name of ["a", "b"])
			mends.push(await cut(world.lab, world.where(name)));
		await world.until("both are down", () =>
			["a", "b"].every((name) => /closed/.test(world.said(name))),
		);
		assert.equal(await all.ask(GLANCE_MS), 0);
		assert.ok(world.dropped("function_down") > 0);
		await mends[1]?.();
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		assert.match(world.said("a"), /b serves its flows/);
		await mends[0]?.();
	});
});

describe("a program ends", () => {
	let world: World;
	after(() => world?.close());

	it("its standby serves at once, without a probe", async () => {
		world = await World.open({
			command: ["sleep", "infinity"],
			instances: PAIR,
		});
		const all = await flows(world, 5000);
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		const taken = world.fleet.nextEvent("failover");
		killProgram(world.lab, world.where("a"));
		await taken;
		const before = world.passed("b");
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		assert.ok(world.passed("b") > before, "through b");
		await world.until(
			"a serves again",
			() => world.said("a") === "up: process",
		);
	});
});

describe("an instance fails, nobody takes over", () => {
	for (const [onFailure, passing] of [
		["closed", 0],
		["open", UDP + TCP],
	] as const)
		it(`${onFailure}: ${passing === 0 ? "nothing passes" : "everything passes"} until it is back`, async () => {
			const world = await World.open({ probe: PROBE, onFailure });
			try {
				const all = await flows(world, 5000);
				assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
				const mend = await cut(world.lab, world.where("a"));
				await world.until("it is in force", () =>
					world.said("a").includes(`onFailure ${onFailure}`),
				);
				const before = world.passed("a");
				assert.equal(
					await all.ask(passing === 0 ? GLANCE_MS : PATIENCE_MS),
					passing,
				);
				assert.equal(world.passed("a"), before);
				await mend();
				await world.until("it serves", () => world.said("a") === "up: probe");
				assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
				assert.ok(world.passed("a") > before);
			} finally {
				await world.close();
			}
		});

	it("reset: both ends of a connection see it, and new ones are refused", async () => {
		const world = await World.open({ probe: PROBE, onFailure: "reset" });
		try {
			const all = await flows(world, 5000);
			assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
			const mend = await cut(world.lab, world.where("a"));
			await world.until("it is in force", () =>
				world.said("a").includes("onFailure reset"),
			);
			assert.equal(await all.ask(GLANCE_MS), 0);
			assert.deepEqual(await all.ended(), {
				client: "ECONNRESET",
				server: "ECONNRESET",
			});
			await startTcpServer(world.lab.host("server"), at.server, 7000);
			const connect = () =>
				startTcpRequests({
					from: world.lab.host("user"),
					address: at.server,
					port: 7000,
					count: 3,
					newConnections: true,
				}).then((requests) => requests.finished());
			assert.equal((await connect()).failed, 3);
			await mend();
			await world.until("it serves", () => world.said("a") === "up: probe");
			assert.equal((await connect()).answered, 3);
		} finally {
			await world.close();
		}
	});
});

describe("an agent that starts anew", () => {
	it("finds who serves for whom, and holds to it", async () => {
		const world = await World.open({ probe: PROBE, instances: PAIR });
		try {
			const all = await flows(world, 5000);
			assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
			const taken = world.fleet.nextEvent("failover");
			const mend = await cut(world.lab, world.where("a"));
			await taken;
			await world.fleet.restart(NODE);
			assert.match(world.said("a"), /b serves its flows/);
			assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
			await mend();
			await world.until("a serves", () => world.said("a") === "up: probe");
			assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		} finally {
			await world.close();
		}
	});
});
