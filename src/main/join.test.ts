/** How nodes get in, and who does not, over real TLS. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join as joinPath } from "node:path";
import test, { after, before } from "node:test";
import { connect } from "node:tls";
import { pinnedAuthority } from "../agent/enrol.js";
import { newRequest } from "../functions/certificate.js";
import { JOIN_PATH, parseJoinToken, RENEW_PATH } from "../plan/join.js";
import { FakeAgent, join, renew } from "./testing/fake-agent.js";
import {
	Client,
	documents,
	joinToken,
	startTestController,
	type TestController,
} from "./testing/network.js";

let controller: TestController;
let url: string;
before(async () => {
	controller = await startTestController();
	url = controller.admin.url;
});
after(() => controller.close());

test("join: the token pins the root the server shows", async () => {
	const { pin } = parseJoinToken(await joinToken(controller.admin, "pinned"));
	assert.match(await pinnedAuthority(url, pin), /BEGIN CERTIFICATE/);
	const other = "0".repeat(64);
	await assert.rejects(
		pinnedAuthority(url, other),
		/does not show the authority/,
	);
});

test("join: a node joins, connects, renews and connects again", async () => {
	const { admin } = controller;
	const credentials = await join(url, "node1", await joinToken(admin, "node1"));
	const first = new FakeAgent("node1", credentials);
	await first.connect(url);
	const { body } = await admin.get("/v1/status");
	const seen = body.nodes.find((n: { node: string }) => n.node === "node1");
	assert.equal(seen.connected, true);

	const next = await renew(url, credentials);
	assert.equal(next.status, 200);
	assert.ok(first.isConnected, "the running session stays");
	const second = new FakeAgent("node1", next.credentials);
	await second.connect(url);
	await first.until(() => !first.isConnected, 2000);
	assert.ok(second.isConnected, "the newer session replaced the older");
	await second.leave();
});

test("join: a token works once, for its node, until it expires", async () => {
	const { admin } = controller;
	const token = await joinToken(admin, "once");
	await assert.rejects(join(url, "other", token), /join_token_invalid/);
	await join(url, "once", token);
	await assert.rejects(join(url, "once", token), /join_token_invalid/);
	const { pin } = parseJoinToken(token);
	const forged = `${"a".repeat(32)}.${pin}`;
	await assert.rejects(join(url, "once", forged), /join_token_invalid/);

	const both = await joinToken(admin, "race");
	const results = await Promise.allSettled([
		join(url, "race", both),
		join(url, "race", both),
	]);
	const won = results.filter((result) => result.status === "fulfilled");
	assert.equal(won.length, 1, "of two at the same time one wins");
});

test("join: joining again puts the older certificate out of use", async () => {
	const { admin } = controller;
	const old = await join(url, "again", await joinToken(admin, "again"));
	const now = await join(url, "again", await joinToken(admin, "again"));
	await assert.rejects(new FakeAgent("again", old).connect(url));
	assert.equal((await renew(url, old)).status, 401);
	const agent = new FakeAgent("again", now);
	await agent.connect(url);
	await agent.leave();
});

test("join: a bad certificate request does not use the token up", async () => {
	const { admin } = controller;
	const { secret } = parseJoinToken(await joinToken(admin, "bad"));
	const anonymous = admin.as(undefined);
	const body = (csr: string) => ({ node: "bad", secret, csr });
	const refused = await anonymous.call("POST", JOIN_PATH, body("nonsense"));
	assert.equal(refused.status, 400);
	assert.equal(refused.body.error.code, "certificate_request_invalid");
	const { csr } = await newRequest("bad");
	const joined = await anonymous.call("POST", JOIN_PATH, body(csr));
	assert.equal(joined.status, 200);
	await anonymous.close();
});

test("join: agent routes refuse who shows no certificate, or a stranger's", async () => {
	const anonymous = controller.admin.as(undefined);
	const { csr } = await newRequest("x");
	const none = await anonymous.call("POST", RENEW_PATH, { csr });
	assert.equal(none.status, 401);
	assert.equal(none.body.error.code, "certificate_required");
	await anonymous.close();

	const stranger = await startTestController();
	const theirs = await join(
		stranger.admin.url,
		"edge1",
		await joinToken(stranger.admin, "edge1"),
	);
	const { ca } = controller.admin;
	await assert.rejects(new FakeAgent("edge1", { ...theirs, ca }).connect(url));
	await stranger.close();
});

test("join: an agent's certificate opens no route for people", async () => {
	const { admin } = controller;
	const credentials = await join(url, "nosy", await joinToken(admin, "nosy"));
	const { port, hostname } = new URL(url);
	const socket = connect({
		host: hostname,
		port: Number(port),
		ca: credentials.ca,
		key: credentials.key,
		cert: credentials.certificate,
	});
	socket.end(
		`GET /v1/nodes HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`,
	);
	let text = "";
	for await (const chunk of socket) text += chunk;
	assert.match(text, /^HTTP\/1\.1 401 /);
});

test("join: what an agent may not say ends its session with the reason", async () => {
	const { admin } = controller;
	const credentials = await join(url, "rude", await joinToken(admin, "rude"));
	const hello = {
		type: "hello",
		protocol: 1,
		version: "x",
		revision: 0,
		checks: [],
	};
	for (const [message, reason] of [
		["{", /not JSON/],
		['{"type":"dance"}', /agent message/],
		['{"type":"ack","revision":-1,"tookMs":0}', /agent message/],
		[JSON.stringify({ ...hello, protocol: 99 }), /protocol 99/],
		[JSON.stringify({ ...hello, checks: "none" }), /agent message/],
	] as const) {
		const agent = new FakeAgent("rude", credentials);
		await agent.connect(url);
		agent.sayRaw(message);
		await agent.until(() => !agent.isConnected, 5000);
		const { body } = await admin.get("/v1/events");
		const last = body.items.findLast(
			(event: { kind: string }) => event.kind === "protocol",
		);
		assert.match(last.message, reason);
		await agent.leave();
	}
});

test("join: secrets are for the owner only, and hashed in the store", async () => {
	const { dataDir, admin } = controller;
	assert.equal(statSync(dataDir).mode & 0o777, 0o700);
	for (const file of [
		"admin.json",
		"ca.key",
		"server.key",
		"controller.db",
		"controller.db-wal",
	]) {
		assert.equal(statSync(joinPath(dataDir, file)).mode & 0o777, 0o600, file);
	}
	const { readFileSync } = await import("node:fs");
	const { secret } = parseJoinToken(await joinToken(admin, "hash"));
	for (const file of ["controller.db", "controller.db-wal"]) {
		const stored = readFileSync(joinPath(dataDir, file)).toString("latin1");
		assert.ok(!stored.includes(secret), `${file}: join token`);
		assert.ok(!stored.includes(admin.token ?? "-"), `${file}: API token`);
	}
});

test("join: a node that nobody declared is sent nothing until it is", async () => {
	const { admin } = controller;
	const agent = await controller.agent("edge1");
	assert.equal(agent.states.length, 0);
	assert.equal((await admin.apply(documents)).status, 200);
	assert.equal(agent.running?.node, "edge1");
	const client = new Client(url, admin.ca, "cm_000000000000_x");
	assert.equal((await client.get("/v1/nodes")).status, 401);
	await client.close();
});
