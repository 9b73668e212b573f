/** Instances that are left, and instances that fail: who gets flows then. */
import assert from "node:assert/strict";
import test from "node:test";
import type { NodeState } from "../plan/state.js";
import type { FakeAgent } from "./testing/fake-agent.js";
import { type Client, documents, policy } from "./testing/network.js";
import { idle, network, pathsOf, reconnect } from "./testing/rollout.js";

/** SPIs through an instance on its node: those that new flows take, or that drain. */
function through(
	state: NodeState | undefined,
	instance: string,
	active: boolean,
): number[] {
	const ports = new Set(
		state?.instances
			.find((one) => one.instance === instance)
			?.ports.map(({ id }) => id),
	);
	return (state?.paths ?? [])
		.filter((path) => path.active === active)
		.filter(({ hops }) =>
			hops.some((hop) => hop && "port" in hop && ports.has(hop.port)),
		)
		.map(({ spi }) => spi);
}

const keeps = (state: NodeState | undefined, name: string) =>
	state?.ruleSets
		.flatMap(({ rules }) => rules)
		.filter((rule) => rule.policy === name)
		.map(({ keep }) => keep);

const drain = (admin: Client, instance: string, verb = "drain") =>
	admin.call("POST", `/v1/functions/firewall/${verb}`, { instance });

async function drainingOf(admin: Client, instance: string) {
	const { body } = await admin.get("/v1/functions/firewall");
	return body.status.instances.find(
		(one: { instance: string }) => one.instance === instance,
	).draining;
}

function report(agent: FakeAgent, instance: string, state: "up" | "down") {
	agent.instances = [
		{ function: "firewall", instance, state, reason: "test", restarts: 0 },
	];
	agent.status();
}

test("drain: new flows go elsewhere, running ones stay until they end; over a restart", () =>
	network(async ({ admin, restart }, edge1, edge2) => {
		await admin.apply(documents);
		idle(0, edge1, edge2);
		const before = through(edge1.running, "fw1", true);
		assert.ok(before.length > 0);
		assert.equal(await drainingOf(admin, "fw1"), undefined);
		const { status, body } = await drain(admin, "fw1");
		assert.equal(status, 200, JSON.stringify(body));
		assert.deepEqual(through(edge1.running, "fw1", true), []);
		assert.deepEqual(through(edge1.running, "fw1", false), before);
		assert.deepEqual(keeps(edge1.running, "web"), [true]);
		assert.ok(through(edge2.running, "fw2", true).length > 0);
		const { paths } = await drainingOf(admin, "fw1");
		assert.equal(paths, new Set(before.map((spi) => (spi + 1) >> 1)).size);

		await restart();
		await reconnect(admin, edge1, edge2);
		assert.equal((await drainingOf(admin, "fw1")).paths, paths);
		const changed = policy("web", "acme", "match(proto=tcp) >> firewall");
		assert.equal((await admin.apply([changed])).status, 200);
		assert.deepEqual(through(edge1.running, "fw1", true), []);

		idle(6000, edge1, edge2);
		await edge1.until(() => through(edge1.running, "fw1", false).length === 0);
		assert.equal((await drainingOf(admin, "fw1")).paths, 0);

		assert.equal((await drain(admin, "fw1", "undrain")).status, 200);
		assert.ok(through(edge1.running, "fw1", true).length > 0);
		assert.deepEqual(keeps(edge1.running, "web"), [false]);
		assert.equal(await drainingOf(admin, "fw1"), undefined);
	}));

test("drain: refused where nobody else could serve, or there is none of that name", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		assert.equal((await drain(admin, "fw1")).status, 200);
		const last = await drain(admin, "fw2");
		assert.equal(last.status, 409);
		assert.equal(last.body.error.code, "nobody_else");
		assert.match(last.body.error.message, /no other instance of firewall/);
		assert.equal((await drain(admin, "fw9")).status, 404);
		assert.equal((await drain(admin, "fw1")).status, 200, "once more");
		await drain(admin, "fw1", "undrain");
		report(edge1, "fw1", "down");
		await edge2.until(() => through(edge1.running, "fw1", true).length === 0);
		assert.equal((await drain(admin, "fw2")).status, 409);
	}));

test("drain: an instance that is deleted and declared anew gets flows", () =>
	network(async ({ admin }, edge1) => {
		await admin.apply(documents);
		const firewall = documents.find((one) => one.name === "firewall");
		assert.ok(firewall?.kind === "Function");
		const instances = firewall.spec.instances.filter(
			({ name }) => name !== "fw1",
		);
		await drain(admin, "fw1");
		await admin.apply([{ ...firewall, spec: { ...firewall.spec, instances } }]);
		assert.equal((await admin.apply([firewall])).status, 200);
		assert.ok(through(edge1.running, "fw1", true).length > 0);
	}));

test("health: one that comes back gets flows only when it has been up for a while", () =>
	network(
		async ({ admin }, edge1) => {
			await admin.apply(documents);
			report(edge1, "fw1", "down");
			await edge1.until(() => through(edge1.running, "fw1", true).length === 0);
			report(edge1, "fw1", "up");
			report(edge1, "fw1", "down");
			report(edge1, "fw1", "up");
			const changed = policy("web", "acme", "match(proto=tcp) >> firewall");
			assert.equal((await admin.apply([changed])).status, 200);
			assert.deepEqual(through(edge1.running, "fw1", true), []);
		},
		{ holdDownMs: 3_600_000 },
	));

test("health: with nobody else up, one that comes back serves at once", () =>
	network(
		async ({ admin }, edge1, edge2) => {
			await admin.apply(documents);
			report(edge1, "fw1", "down");
			await edge1.until(() => through(edge1.running, "fw1", true).length === 0);
			report(edge2, "fw2", "down");
			/* All keep their paths: their nodes do what `onFailure` says. */
			await edge1.until(() => through(edge1.running, "fw1", true).length > 0);
			report(edge1, "fw1", "up");
			await edge2.until(() => through(edge2.running, "fw2", true).length === 0);
			assert.ok(through(edge1.running, "fw1", true).length > 0);
		},
		{ holdDownMs: 3_600_000 },
	));

test("health: flows that policies keep leave an instance that is dead, and no other", () =>
	network(async ({ admin }, edge1, edge2) => {
		const web = policy("web", "acme", "match(proto=tcp) >> firewall");
		const keeping = { ...web, spec: { ...web.spec, onChange: "keep" } };
		await admin.apply(
			documents.map((one) => (one.name === "web" ? keeping : one)),
		);
		idle(0, edge1, edge2);
		const longer = "match(proto=tcp) >> firewall -> ids";
		await admin.apply([
			{ ...keeping, spec: { ...keeping.spec, rule: longer } },
		]);
		const old = pathsOf(edge1.running, "web", false);
		const dead = through(edge1.running, "fw1", false);
		assert.ok(dead.length > 0 && dead.length < old.length);
		report(edge1, "fw1", "down");
		await edge1.until(() => through(edge1.running, "fw1", false).length === 0);
		const left = pathsOf(edge1.running, "web", false);
		for (const spi of old)
			assert.equal(left.includes(spi), !dead.includes(spi), `path ${spi}`);
	}));
