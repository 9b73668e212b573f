/** Nodes and tokens that are trusted no more: what they had open ends at once. */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { Agent, request } from "undici";
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

/** The end of a stream of events, as its reader sees it. */
async function streamOf(token: string) {
	const controller = new AbortController();
	const dispatcher = new Agent({ connect: { ca: admin.ca }, bodyTimeout: 0 });
	const answer = await request(`${admin.url}/v1/events`, {
		headers: {
			authorization: `Bearer ${token}`,
			accept: "text/event-stream",
		},
		dispatcher,
		signal: controller.signal,
	});
	assert.equal(answer.statusCode, 200);
	const ended = (async () => {
		try {
			for await (const _ of answer.body);
		} catch {
			// A connection that is cut is an end, too.
		}
	})();
	return {
		/** Whether it ends by itself in that time. */
		async endsWithin(ms: number): Promise<boolean> {
			let timer: NodeJS.Timeout | undefined;
			const late = new Promise<boolean>((done) => {
				timer = setTimeout(() => done(false), ms);
			});
			const result = await Promise.race([ended.then(() => true), late]);
			clearTimeout(timer);
			controller.abort();
			await dispatcher.destroy();
			return result;
		},
	};
}

const tenantToken = (name: string) => ({
	name: `${name}-admin`,
	role: "tenant",
	tenant: name,
});

test("revoke: a stream ends with its token", async () => {
	const created = await admin.call("POST", "/v1/tokens", {
		name: "watcher",
		role: "operator",
	});
	const stream = await streamOf(created.body.token);
	await admin.call("DELETE", `/v1/tokens/${created.body.id}`);
	assert.ok(await stream.endsWithin(2000));
});

test("revoke: a stream ends when its token expires", async () => {
	const token = await admin.newToken({
		name: "brief",
		role: "operator",
		ttlMs: 1000,
	});
	const stream = await streamOf(token);
	assert.ok(await stream.endsWithin(3000));
});

test("revoke: a tenant's tokens and streams end with the tenant, and fit no later one", async () => {
	const tenant = {
		kind: "Tenant",
		name: "gone",
		spec: { subnets: ["10.0.9.0/24"] },
	};
	await admin.apply([tenant]);
	const token = await admin.newToken(tenantToken("gone"));
	const stay = await admin.newToken(tenantToken("acme"));
	const client = admin.as(token);
	assert.equal((await client.get("/v1/tenants/gone")).status, 200);
	const stream = await streamOf(token);
	const other = await streamOf(stay);
	assert.equal((await admin.call("DELETE", "/v1/tenants/gone")).status, 200);
	assert.ok(await stream.endsWithin(2000));
	assert.ok(!(await other.endsWithin(200)), "another tenant's goes on");
	await admin.apply([tenant]);
	assert.equal((await client.get("/v1/tenants/gone")).status, 401);
	await client.close();
});
