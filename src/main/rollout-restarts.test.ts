/** The controller and what it remembers: restarts, also in the middle of a change. */
import assert from "node:assert/strict";
import test from "node:test";
import { documents } from "./testing/network.js";
import {
	chosenLength,
	idle,
	longer,
	network,
	onState,
	pathsOf,
	reconnect,
} from "./testing/rollout.js";

test("rollout: a restarted controller sends what it had sent, and goes on", () =>
	network(async (controller, edge1, edge2) => {
		const { admin } = controller;
		await admin.apply(documents);
		edge1.idleMs = edge2.idleMs = 0;
		await admin.apply([longer]);
		const before = edge1.running;
		await controller.restart();
		await reconnect(admin, edge1, edge2);
		await edge1.until(() => edge1.states.at(-1)?.revision === before?.revision);
		assert.deepEqual(edge1.states.at(-1), before, "adopted as it was");
		idle(9999, edge1, edge2);
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
	}));

test("rollout: a controller that stops in the middle of a change finishes it later", () =>
	network(async (controller, edge1, edge2) => {
		const { admin } = controller;
		await admin.apply(documents);
		onState(edge2, 1, "ignore");
		const seen = edge1.states.length;
		const applied = admin.apply([longer]).catch(() => undefined);
		await edge1.until(() => edge1.states.length > seen);
		await controller.restart();
		const answer = await applied;
		assert.notEqual(answer?.status, 200, "it was not carried out then");
		await reconnect(admin, edge1, edge2);
		await edge1.until(() => chosenLength(edge1.running, "web") === 2);
	}));

test("rollout: a node that is ahead of the controller's store is overtaken", () =>
	network(async ({ admin }, edge1) => {
		await admin.apply(documents);
		const { running } = edge1;
		assert.ok(running);
		await edge1.leave();
		edge1.running = { ...running, revision: 5000 };
		await edge1.connect(admin.url);
		await edge1.until(() => (edge1.running?.revision ?? 0) > 5000);
		const { body } = await admin.apply([longer]);
		assert.ok(body.revision > 5000);
	}));
