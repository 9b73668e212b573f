/** What a node that was taken over says of itself and of others, and what becomes of it. */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { FakeAgent } from "./testing/fake-agent.js";
import {
	documents,
	policy,
	startTestController,
	type TestController,
} from "./testing/network.js";

let controller: TestController;
let edge1: FakeAgent;
let edge2: FakeAgent;
before(async () => {
	controller = await startTestController();
	edge1 = await controller.agent("edge1");
	edge2 = await controller.agent("edge2");
	assert.equal((await controller.admin.apply(documents)).status, 200);
});
after(() => controller.close());

interface EventBody {
	readonly kind: string;
	readonly message: string;
	readonly node?: string;
	readonly tenant?: string;
}

async function events(): Promise<EventBody[]> {
	return (await controller.admin.get("/v1/events")).body.items;
}

const hello = {
	type: "hello",
	protocol: 1,
	version: "x",
	checks: [],
};
for (const revision of [1e308, 2 ** 53, 2 ** 48, 1_000_000]) {
	test(`claims: a node that runs revision ${revision} is refused, and changes go on`, async () => {
		const { admin } = controller;
		const before = (await admin.get("/v1/status")).body.revision;
		const liar = await controller.agent("liar");
		liar.say({ ...hello, revision });
		await liar.until(() => !liar.isConnected);
		const told = (await events()).findLast(({ kind }) => kind === "protocol");
		assert.equal(told?.node, "liar");
		assert.match(told?.message ?? "", /revision/);
		await liar.leave();
		const changed = await admin.apply([
			policy(`after-${revision % 1009}`, "acme", "match(dport=22) >> drop"),
		]);
		assert.equal(changed.status, 200);
		assert.ok(changed.body.revision > before);
		assert.ok(changed.body.revision < before + 100);
	});
}

test("claims: a node that answers to what it was never sent is refused", async () => {
	const liar = await controller.agent("liar");
	liar.say({ type: "ack", revision: 2 ** 40, tookMs: 1 });
	await liar.until(() => !liar.isConnected);
	assert.match((await events()).at(-1)?.message ?? "", /liar/);
	await liar.leave();
});

const status = (node: FakeAgent, name: string, instance: string) => ({
	type: "status",
	revision: node.running?.revision ?? 0,
	idlePaths: [],
	instances: [
		{
			function: name,
			instance,
			state: "down",
			reason: "so said",
			restarts: 0,
		},
	],
});

test("claims: only its own node says that an instance is down", {
	timeout: 20_000,
}, async () => {
	const { admin } = controller;
	edge1.say(status(edge1, "ids", "ids1"));
	edge1.say(status(edge1, "firewall", "fw1"));
	// The second is edge1's own, and came after the first.
	const isTold = async () =>
		(await events()).some(({ message }) => message.endsWith("firewall/fw1"));
	await edge1.until(() => edge1.states.length > 0);
	while (!(await isTold())) await admin.get("/v1/status?wait=revision");
	assert.ok(!(await events()).some(({ message }) => /ids1/.test(message)));
	edge2.say(status(edge2, "ids", "ids1"));
	const isDown = async () =>
		(await events()).some(({ message }) => /ids\/ids1/.test(message));
	while (!(await isDown())) await admin.get("/v1/status?wait=revision");
});

test("claims: events name a tenant only on nodes that serve it, and no change", {
	timeout: 20_000,
}, async () => {
	const { admin } = controller;
	const stranger = await controller.agent("stranger");
	const event = { type: "event", timeMs: 1, message: "m" };
	stranger.say({ ...event, kind: "lie", tenant: "acme" });
	stranger.say({ ...event, kind: "change" });
	edge1.say({ ...event, kind: "truth", tenant: "acme" });
	const from = async (node: string, count: number) => {
		for (;;) {
			const told = (await events()).filter(
				(one) => one.node === node && one.message === "m",
			);
			if (told.length === count) return told;
			await admin.get("/healthz");
		}
	};
	const told = await from("stranger", 2);
	assert.deepEqual(
		told.map(({ kind, tenant }) => ({ kind, tenant })),
		[
			{ kind: "lie", tenant: undefined },
			{ kind: "event", tenant: undefined },
		],
	);
	assert.equal((await from("edge1", 1))[0]?.tenant, "acme");
	await stranger.leave();
});
