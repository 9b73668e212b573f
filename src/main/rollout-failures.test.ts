/** Nodes that refuse a change, leave in its middle or say nothing. */
import assert from "node:assert/strict";
import test from "node:test";
import type { NodeState } from "../plan/state.js";
import { documents, policy } from "./testing/network.js";
import {
	chosenLength,
	longer,
	network,
	onState,
	reconnect,
} from "./testing/rollout.js";

for (const [phase, n] of [
	["make", 1],
	["switch", 2],
] as const) {
	test(`rollout: a refusal at ${phase} takes everything back`, () =>
		network(async (controller, edge1, edge2) => {
			const { admin } = controller;
			await admin.apply(documents);
			const before = edge1.running?.paths.map((path) => path.spi) ?? [];
			onState(edge2, n, { refuse: "disk is full" });
			const { status, body } = await admin.apply([longer]);
			assert.equal(status, 409);
			assert.equal(body.error.code, "node_refused");
			assert.match(body.error.message, /edge2.*disk is full/);
			await edge1.until(
				() =>
					chosenLength(edge1.running, "web") === 1 &&
					edge1.running?.paths.length === before.length,
			);
			const tried = edge1.states
				.flatMap((state) => state.paths)
				.filter((path) => !before.includes(path.spi))
				.map((path) => path.spi);
			assert.ok(tried.length > 0);
			const generations = (states: readonly (NodeState | undefined)[]) =>
				states.flatMap((s) => s?.ruleSets.map((set) => set.generation) ?? []);
			assert.equal(
				Math.max(...generations([edge1.running])) >=
					Math.max(...generations(edge1.states)),
				true,
				"flows that the failed rules judged are judged again",
			);

			await controller.restart();
			await reconnect(admin, edge1, edge2);
			const web = await admin.get("/v1/policies/web");
			assert.doesNotMatch(web.body.spec.rule, /ids/, "intent is what it was");
			const other = policy(
				"web",
				"acme",
				"match(proto=tcp) >> ids -> firewall",
			);
			const kept = edge1.running?.paths.map((path) => path.spi);
			assert.deepEqual(kept, before, "the old chain kept its numbers");
			const next = await admin.apply([other]);
			assert.equal(next.status, 200, JSON.stringify(next.body));
			assert.equal(chosenLength(edge1.running, "web"), 2);
			const spis = edge1.running?.paths.map((path) => path.spi) ?? [];
			assert.ok(
				!spis.some((spi) => tried.includes(spi)),
				"numbers of the failed try rest",
			);
		}));

	test(`rollout: a node that leaves at ${phase} holds nobody up and gets the newest state`, () =>
		network(async (controller, edge1, edge2) => {
			const { admin } = controller;
			await admin.apply(documents);
			onState(edge2, n, "leave");
			const { status, body } = await admin.apply([longer]);
			assert.equal(status, 200);
			assert.deepEqual(body.disconnected, ["edge2"]);
			assert.equal(chosenLength(edge1.running, "web"), 2);
			edge2.react = () => "ack";
			await edge2.connect(admin.url);
			await edge2.until(() => (edge2.running?.revision ?? 0) >= body.revision);
			const after = await admin.get("/v1/status?wait=revision");
			assert.equal(after.body.settled, true);
		}));
}

test("rollout: silence at make takes the change back and names the node", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		onState(edge2, 1, "ignore");
		const { status, body } = await admin.apply([longer], { timeoutMs: 200 });
		assert.equal(status, 504);
		assert.match(body.error.message, /edge2/);
		await edge1.until(() => chosenLength(edge1.running, "web") === 1);
	}));

test("rollout: silence at switch is told as pending", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		onState(edge2, 2, "ignore");
		const { status, body } = await admin.apply([longer], { timeoutMs: 200 });
		assert.equal(status, 200);
		assert.deepEqual(body.pending, ["edge2"]);
		assert.equal(chosenLength(edge1.running, "web"), 2);
	}));

test("rollout: a node that refuses for long holds up nobody else's change", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		edge2.react = () => ({ refuse: "und0 is gone" });
		await edge2.leave();
		edge2.states.length = 0;
		await edge2.connect(admin.url);
		await edge2.until(() => edge2.states.length > 0);
		const { status } = await admin.apply([
			policy("other", "acme", "match(dport=7) >> drop"),
		]);
		assert.equal(status, 200);
		assert.ok(
			edge1.running?.ruleSets.some((set) =>
				set.rules.some((rule) => rule.policy === "other"),
			),
		);
		const { body } = await admin.get("/v1/nodes/edge2");
		assert.equal(body.status.lastError, "und0 is gone");
	}));
