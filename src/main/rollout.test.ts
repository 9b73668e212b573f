/** Changes on their way to nodes: make, switch, drain, break, one after the other. */
import assert from "node:assert/strict";
import test from "node:test";
import { documents, policy } from "./testing/network.js";
import {
	chosenLength,
	idle,
	longer,
	network,
	pathsOf,
} from "./testing/rollout.js";

test("rollout: first apply gives every node its state, all rules resolve", () =>
	network(async ({ admin }, edge1, edge2) => {
		const { status, body } = await admin.apply(documents);
		assert.equal(status, 200, JSON.stringify(body));
		assert.deepEqual(body.pending, []);
		assert.deepEqual(body.disconnected, []);
		assert.equal(body.changes.length, documents.length);
		assert.equal(chosenLength(edge1.running, "web"), 1);
		assert.equal(chosenLength(edge1.running, "blue-all"), 2);
		assert.ok(edge2.running);
		const again = await admin.apply(documents);
		assert.ok(
			again.body.changes.every(
				(c: { action: string }) => c.action === "unchanged",
			),
		);
	}));

test("rollout: make before switch before break, break only when drained", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		const old = pathsOf(edge1.running, "web", true);
		edge1.states.length = 0;
		edge2.idleMs = 0;
		const { status, body } = await admin.apply([longer]);
		assert.equal(status, 200, JSON.stringify(body));

		const [made, switched] = edge1.states;
		assert.equal(chosenLength(made, "web"), 1, "make: old rules");
		assert.ok(pathsOf(made, "web", true).length > old.length, "make: union");
		assert.equal(chosenLength(switched, "web"), 2, "switch: new rules");
		assert.deepEqual(pathsOf(switched, "web", false), old, "old ones drain");
		assert.ok((made?.revision ?? 0) < (switched?.revision ?? 0));

		const status1 = await admin.get("/v1/status");
		assert.equal(status1.body.phase, "drain");
		const holding = edge1.states.length;
		edge2.status();
		await admin.get("/v1/status");
		assert.equal(edge1.states.length, holding, "busy paths are not broken");

		edge2.idleMs = 5000;
		edge2.status();
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
		assert.equal(chosenLength(edge1.running, "web"), 2);
	}));

test("rollout: a change that comes while paths drain does not wait for them", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		const first = pathsOf(edge1.running, "web", true);
		edge1.idleMs = 0;
		edge2.idleMs = 0;
		await admin.apply([longer]);
		const drop = policy("web", "acme", "match(proto=tcp) >> drop");
		const { status } = await admin.apply([drop]);
		assert.equal(status, 200);
		const draining = pathsOf(edge1.running, "web", false);
		assert.ok(
			first.every((spi) => draining.includes(spi)),
			"still there",
		);
		assert.ok(draining.length > first.length, "and the second's, too");
		idle(9999, edge1, edge2);
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
	}));

test("rollout: changes at the same time are carried out one after the other", () =>
	network(async ({ admin }, edge1) => {
		await admin.apply(documents);
		const ports = [81, 82, 83, 84, 85];
		const answers = await Promise.all(
			ports.map((port) =>
				admin.apply([
					policy(
						`p${port}`,
						"acme",
						`match(proto=tcp & dport=${port}) >> firewall`,
					),
				]),
			),
		);
		assert.deepEqual(
			answers.map((answer) => answer.status),
			ports.map(() => 200),
		);
		for (const port of ports) {
			assert.equal(chosenLength(edge1.running, `p${port}`), 1);
		}
		const revisions = edge1.states.map((state) => state.revision);
		assert.deepEqual(
			revisions,
			[...revisions].sort((a, b) => a - b),
		);
	}));

test("rollout: an instance that is down gets no new paths until it is up", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		const through = async (instance: string) => {
			const { body } = await admin.get("/v1/paths");
			return body.items.filter(
				(path: { state: string; hops: { instance?: string }[] }) =>
					path.state === "active" &&
					path.hops.some((hop) => hop.instance === instance),
			).length;
		};
		assert.ok((await through("fw1")) > 0);
		const report = (state: "up" | "down") => {
			edge1.instances = [
				{
					function: "firewall",
					instance: "fw1",
					state,
					reason: "process",
					restarts: 1,
				},
			];
			edge1.status();
		};
		const seen = edge1.states.length;
		report("down");
		await edge1.until(() => edge1.states.length >= seen + 2);
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
		assert.equal(await through("fw1"), 0);
		assert.ok((await through("fw2")) > 0);
		const later = edge1.states.length;
		report("up");
		await edge1.until(() => edge1.states.length >= later + 2);
		assert.ok((await through("fw1")) > 0);
		assert.ok(edge2.isConnected);
	}));

test("rollout: a deleted node is emptied", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		for (const path of [
			"policies/web",
			"policies/blue-all",
			"functions/ids",
			"functions/firewall",
			"nodes/edge2",
		]) {
			const { status, body } = await admin.call("DELETE", `/v1/${path}`);
			assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
		}
		await edge2.until(
			() =>
				edge2.running?.instances.length === 0 &&
				edge2.running.interfaces.length === 0,
		);
		assert.ok(edge1.running?.interfaces.length);
	}));
