/** Paths kept for the flows on them (`onChange: keep`), while changes go on around them. */
import assert from "node:assert/strict";
import test from "node:test";
import { documents, policy, type TestController } from "./testing/network.js";
import { idle, network, pathsOf } from "./testing/rollout.js";

/** `web` and `blue-all` change their chains; flows of `web` stay where they are. */
const keeping = (rule: string) => {
	const web = policy("web", "acme", `match(proto=tcp & dport=80) >> ${rule}`);
	return { ...web, spec: { ...web.spec, onChange: "keep" } };
};

const declareKeeping = async (admin: TestController["admin"]) => {
	const { status, body } = await admin.apply(
		documents.map((one) => (one.name === "web" ? keeping("firewall") : one)),
	);
	assert.equal(status, 200, JSON.stringify(body));
};

const moved = [
	keeping("ids"),
	policy("blue-all", "blue", "match(proto=udp) >> ids"),
];

test("rollout: kept paths hold nothing up and stay until their flows end", () =>
	network(async ({ admin }, edge1, edge2) => {
		await declareKeeping(admin);
		const web = pathsOf(edge1.running, "web", true);
		/* Nothing for four seconds: a flow that is kept may think so long. */
		edge1.idleMs = edge2.idleMs = 4000;
		edge1.states.length = 0;
		const { status, body } = await admin.apply(moved);
		assert.equal(status, 200, JSON.stringify(body));
		await edge1.until(
			() => pathsOf(edge1.running, "blue-all", false).length === 0,
		);
		assert.deepEqual(pathsOf(edge1.running, "web", false), web);
		const used = edge1.running?.paths
			.filter((path) => web.includes(path.spi))
			.flatMap(({ hops }) =>
				hops.flatMap((hop) => (hop && "port" in hop ? [hop.port] : [])),
			);
		const ports = edge1.running?.instances.flatMap((one) => one.ports);
		assert.ok(used && used.length > 0);
		for (const id of used)
			assert.ok(
				ports?.some((port) => port.id === id),
				`port ${id} stays`,
			);
		edge1.status();
		edge2.status();
		await admin.get("/v1/status");
		assert.deepEqual(pathsOf(edge1.running, "web", false), web);
		assert.equal(edge1.states.length, 3, "make, switch, break");

		idle(5000, edge1, edge2);
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
		assert.equal(edge1.states.length, 4);
	}));

test("rollout: kept paths outlive later changes, one goes without the other", () =>
	network(async ({ admin }, edge1, edge2) => {
		await declareKeeping(admin);
		const first = pathsOf(edge1.running, "web", true);
		edge1.idleMs = edge2.idleMs = 0;
		await admin.apply([keeping("firewall -> ids")]);
		const second = pathsOf(edge1.running, "web", true);
		await admin.apply([keeping("ids")]);
		assert.deepEqual(
			pathsOf(edge1.running, "web", false),
			[...first, ...second].sort((a, b) => a - b),
		);
		edge1.idleOf = edge2.idleOf = (spi) => (first.includes(spi) ? 6000 : 0);
		edge1.status();
		edge2.status();
		assert.ok(first.length > 0 && second.length > 0);
		await edge1.until(
			() => pathsOf(edge1.running, "web", false).length === second.length,
		);
		assert.deepEqual(pathsOf(edge1.running, "web", false), second);
	}));

test("rollout: a kept path goes at the latest after keepMaxMs", () =>
	network(
		async ({ admin }, edge1, edge2) => {
			await declareKeeping(admin);
			edge1.idleMs = edge2.idleMs = 0;
			await admin.apply([keeping("firewall -> ids")]);
			assert.ok(pathsOf(edge1.running, "web", false).length > 0, "kept");
			await edge1.until(
				() => pathsOf(edge1.running, "web", false).length === 0,
			);
		},
		{ keepMaxMs: 500 },
	));

test("rollout: a path through an instance that fails is not kept", () =>
	network(async ({ admin }, edge1, edge2) => {
		await declareKeeping(admin);
		edge1.idleMs = edge2.idleMs = 2000;
		await admin.apply([keeping("firewall -> ids")]);
		const through = pathsOf(edge1.running, "web", false);
		assert.ok(through.length > 0, "kept");
		for (const [agent, instance] of [
			[edge1, "fw1"],
			[edge2, "fw2"],
		] as const) {
			agent.instances = [
				{
					function: "firewall",
					instance,
					state: "down",
					reason: "test",
					restarts: 0,
				},
			];
			agent.status();
		}
		await edge1.until(
			() => !edge1.running?.paths.some((path) => through.includes(path.spi)),
		);
	}));
