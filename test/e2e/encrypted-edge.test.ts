/**
 * The mobile edge with its chain encrypted between the edges, as a user would do
 * it: by one line of the policy. Keys come from the controller's own service.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { mobileEdgeAddresses } from "../../lab/topologies/mobile-edge.js";
import type { NodeView } from "../../src/api/schemas.js";
import { losesNothing } from "./load.js";
import {
	apply,
	counters,
	type Edge,
	EXAMPLE,
	NODES,
	openEdge,
	settled,
} from "./mobile-edge.js";
import { until } from "./until.js";

const RULE = /^( *rule: .*)$/m;
const SEALED = EXAMPLE.replace(RULE, "$1\n  encrypt: between-nodes");

describe("the mobile edge, encrypted", () => {
	let edge: Edge;
	before(async () => {
		assert.notEqual(SEALED, EXAMPLE);
		edge = await openEdge();
	});
	after(async () => edge?.lab.destroy());
	const reaches = () => reachesServer(edge);

	it("is sealed by one line, and carries traffic as soon as that is applied", async () => {
		assert.ok(await reaches());
		await apply(edge, SEALED);
		assert.ok(await reaches(), JSON.stringify(await counters(edge)));
		await until("all is counted", async () =>
			(await counters(edge)).every(
				({ ef }) => ef !== undefined && ef.out.packets > 0 && ef.in.packets > 0,
			),
		);
	});

	it("shows how encryption functions are", async () => {
		const { installation } = edge;
		const nodes = await installation.until<NodeView[]>(
			"both have told",
			["get", "nodes"],
			(all) => all.every(({ status }) => status.ef?.connected === true),
		);
		assert.deepEqual(
			nodes.map(({ name, status }) => [name, status.ef?.state]),
			NODES.map((name) => [name, "up"]),
		);
		const { stdout: list } = await installation.expect(["get", "nodes"]);
		assert.match(list, /ENCRYPTION/);
		assert.match(list, /userspace|xfrm/);
		const { stdout: one } = await installation.expect([
			...["describe", "node", "edge1"],
		]);
		assert.match(one, /^encryption: up$/m);
		assert.match(one, /^engine: (userspace|xfrm) \(.+\)$/m);
		const { stdout: counted } = await installation.expect(["get", "counters"]);
		assert.match(counted, /edge1 +ef +sealed +\d+/);
	});

	it("goes on without agents and controller, and is adopted", async () => {
		const { installation } = edge;
		await losesNothing(edge, async () => {
			for (const name of ["controller", ...NODES])
				await installation.program(name).stop("SIGKILL");
			await installation.startController();
			for (const name of NODES) await installation.startAgent(name);
			await settled(edge);
		});
		await installation.until<NodeView[]>(
			"both have their keys still",
			["get", "nodes"],
			(all) =>
				all.every(
					({ status: { ef } }) =>
						ef?.connected === true && ef.restarts === 0 && ef.active > 0,
				),
		);
	});

	it("is opened and sealed again without a loss", () =>
		losesNothing(edge, async () => {
			for (const text of [EXAMPLE, SEALED]) await apply(edge, text);
		}));

	it("has no encryption functions where nothing is sealed", async () => {
		await apply(edge, EXAMPLE);
		assert.ok(await reaches());
		const nodes = await edge.installation.until<NodeView[]>(
			"no node has an encryption function",
			["get", "nodes"],
			(all) => all.every(({ status }) => status.ef === undefined),
		);
		assert.equal(nodes.length, NODES.length);
	});
});

async function reachesServer({ lab }: Edge): Promise<boolean> {
	const { stdout } = await lab
		.host("user")
		.run([
			"ping",
			"-c",
			"3",
			"-i",
			"0.2",
			"-W",
			"1",
			mobileEdgeAddresses.server,
		]);
	return /\b3 received/.test(stdout);
}
