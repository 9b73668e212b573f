/** Nodes and tokens that are trusted no more: what they had open ends at once. */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { FakeAgent, join, renew } from "./testing/fake-agent.js";
import {
	type Client,
	documents,
	joinToken,
	startTestController,
	type TestController,
} from "./testing/network.js";

let controller: TestController;
let admin: Client;
before(async () => {
	controller = await startTestController();
	admin = controller.admin;
	await admin.apply(documents);
});
after(() => controller.close());

test("revoke: a node's session ends, and it is out until it has a new token", async () => {
	const { url } = admin;
	const credentials = await join(url, "bad", await joinToken(admin, "bad"));
	const unused = await joinToken(admin, "bad");
	const agent = new FakeAgent("bad", credentials);
	await agent.connect(url);

	const revoked = await admin.call("POST", "/v1/nodes/bad/revoke");
	assert.equal(revoked.status, 204);
	await agent.until(() => !agent.isConnected, 2000);
	const { nodes } = (await admin.get("/v1/status")).body;
	assert.ok(
		!nodes.some((n: { node: string; connected: boolean }) => n.node === "bad"),
	);
	const { items } = (await admin.get("/v1/events")).body;
	const told = items.findLast((e: { kind: string }) => e.kind === "revoke");
	assert.deepEqual([told.node, told.who], ["bad", "admin"]);

	await assert.rejects(new FakeAgent("bad", credentials).connect(url));
	assert.equal((await renew(url, credentials)).status, 401);
	await assert.rejects(join(url, "bad", unused), /join_token_invalid/);
	await controller.restart();
	await assert.rejects(new FakeAgent("bad", credentials).connect(url));

	const anew = await join(url, "bad", await joinToken(admin, "bad"));
	const again = new FakeAgent("bad", anew);
	await again.connect(url);
	assert.ok(again.isConnected);
	await assert.rejects(new FakeAgent("bad", credentials).connect(url));
	await again.leave();
	await agent.leave();
});

test("revoke: a node that never joined is not found", async () => {
	const { status, body } = await admin.call("POST", "/v1/nodes/none/revoke");
	assert.equal(status, 404);
	assert.match(body.error.message, /has not joined/);
});
