/** Instances on two nodes: one is drained, one fails; a controller leads flows. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cut } from "../../lab/break-function.js";
import {
	mobileEdgeAddresses as at,
	mobileEdge,
} from "../../lab/topologies/mobile-edge.js";
import { FlowSet } from "../../lab/traffic/flow-set.js";
import type { EventView, FunctionView } from "../../src/api/schemas.js";
import {
	activePaths,
	CHAIN,
	counters,
	type Edge,
	EXAMPLE,
	openEdge,
} from "./mobile-edge.js";

const DECLARED = EXAMPLE.replace(CHAIN, "firewall")
	.replace("udp dport 5201 accept", "udp dport { 7, 8000-8999 } accept")
	.replace(
		"    - { name: firewall-1, node: edge1 }",
		"    - { name: a, node: edge1 }\n    - { name: b, node: edge2 }\n  offload: none\n  probe: { proto: udp, dport: 7, intervalMs: 10 }",
	);
const WHERE = { node: "edge1", function: "firewall", instance: "a" };
const UDP = 30;
const TCP = 20;
/** Longer than TCP waits to send again what was lost. */
const PATIENCE_MS = 15_000;

describe("a firewall at both nodes", () => {
	let edge: Edge;
	before(async () => {
		edge = await openEdge(mobileEdge(), DECLARED, ["--keep-idle", "2s"]);
	});
	after(async () => edge?.lab.destroy());

	const flows = (port: number) =>
		FlowSet.open({
			from: edge.lab.host("user"),
			to: edge.lab.host("server"),
			address: at.server,
			port,
			udp: UDP,
			tcp: TCP,
		});

	/** Packets that firewall/a gave back so far. */
	async function passedA(): Promise<number> {
		const ports = (await counters(edge)).flatMap((one) => one.ports);
		return ports
			.filter(({ instance }) => instance === "a")
			.reduce((sum, { fromFunction }) => sum + fromFunction.packets, 0);
	}

	/** Instances that new flows may meet. */
	async function chosen(): Promise<string> {
		const hops = (await activePaths(edge)).flatMap((path) => path.hops);
		const names = hops.flatMap(({ instance }) => instance ?? []);
		return [...new Set(names)].sort().join();
	}

	it("drained: its flows stay until they end, new ones go to the other", async () => {
		const old = await flows(8000);
		assert.equal(await old.ask(PATIENCE_MS), UDP + TCP);
		const before = await passedA();
		assert.ok(before > 0, "some flows pass a");
		const { installation } = edge;
		await installation.expect(
			"function drain firewall/a --timeout 0s".split(" "),
		);
		assert.equal(await chosen(), "b");
		assert.equal(await old.ask(PATIENCE_MS), UDP + TCP);
		const held = await passedA();
		assert.ok(held > before, "they still pass a");
		const fresh = await flows(8001);
		assert.equal(await fresh.ask(PATIENCE_MS), UDP + TCP);
		assert.equal(await passedA(), held, "new flows do not");
		const waiting = installation.cli([
			..."function drain firewall/a".split(" "),
		]);
		await old.close();
		const { status, stdout, stderr } = await waiting;
		assert.equal(status, 0, stderr);
		assert.equal(stdout, "firewall/a: drained\n");
		assert.equal(await fresh.ask(PATIENCE_MS), UDP + TCP);
		await fresh.close();
		await installation.expect("function undrain firewall/a".split(" "));
		assert.equal(await chosen(), "a,b");
	});

	it("dead: without a peer on its node its flows go to the other node, and come back", async () => {
		const all = await flows(8002);
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
		const mend = await cut(edge.lab, WHERE);
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP, "no flow is stuck");
		assert.equal(await chosen(), "b");
		const events = await edge.installation.json<EventView[]>(["get", "events"]);
		assert.ok(
			events.some(
				({ kind, message }) =>
					kind === "failover" && /firewall\/a is down/.test(message),
			),
		);
		await mend();
		await edge.installation.until<FunctionView[]>(
			"a is up",
			["get", "functions"],
			([one]) =>
				one?.status.instances.every(({ state }) => state === "up") ?? false,
		);
		assert.equal(await chosen(), "b", "it is to be up for a while first");
		const deadline = Date.now() + 30_000;
		while ((await chosen()) !== "a,b")
			assert.ok(Date.now() < deadline, "it gets flows again");
		assert.equal(await all.ask(PATIENCE_MS), UDP + TCP);
	});
});
