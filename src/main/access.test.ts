/** Each route for each role: who may, and what a tenant sees. */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { NO_COUNTERS } from "./testing/fake-agent.js";
import {
	type Client,
	documents,
	policy,
	startTestController,
	type TestController,
} from "./testing/network.js";

let controller: TestController;
let clients: Record<"admin" | "operator" | "tenant" | "nobody", Client>;

before(async () => {
	controller = await startTestController();
	const { admin } = controller;
	await admin.apply(documents);
	const agent = await controller.agent("edge1");
	const flow = {
		src: "10.0.1.5",
		dst: "198.51.100.1",
		proto: 6,
		sport: 1000,
		dport: 80,
		spi: 1,
		policy: "web",
		ageMs: 5,
		idleMs: 1,
	};
	const tenants = ["acme", "blue"];
	agent.answer = ({ what }) => {
		if (what === "invalidate") return ["fw1"];
		if (what === "states")
			return tenants.map((tenant) => ({
				...flow,
				tenant,
				function: "firewall",
				instance: "fw1",
				port: 1,
				side: "outside",
				verdict: "allow",
				delivered: 2,
				returned: 2,
				skipped: 3,
				skippedBytes: 180,
			}));
		return what === "counters"
			? {
					...NO_COUNTERS,
					hops: (agent.running?.paths ?? []).map(({ spi }) => ({
						spi,
						si: 255,
						packets: 7,
						bytes: 700,
					})),
					drops: [{ reason: "policy", packets: 1, bytes: 60 }],
				}
			: tenants.map((tenant) => ({
					...flow,
					kind: "classified",
					action: "chain",
					tenant,
					packets: 3,
					bytes: 180,
				}));
	};
	const operator = await admin.newToken({ name: "ops", role: "operator" });
	const tenant = await admin.newToken({
		name: "acme-admin",
		role: "tenant",
		tenant: "acme",
	});
	clients = {
		admin,
		operator: admin.as(operator),
		tenant: admin.as(tenant),
		nobody: admin.as(undefined),
	};
});
after(async () => {
	for (const client of Object.values(clients)) await client.close();
	await controller.close();
});

const packet = {
	tenant: "acme",
	src: "10.0.1.5",
	dst: "198.51.100.1",
	proto: "tcp",
	dport: 80,
};
const own = policy("own", "acme", "match(dport=22) >> drop");

/** Method, path, body; status for admin, operator, tenant acme, nobody. */
const table: [string, string, unknown, number, number, number, number][] = [
	["GET", "/healthz", null, 200, 200, 200, 200],
	["GET", "/openapi.json", null, 200, 200, 200, 200],
	["GET", "/metrics", null, 200, 200, 403, 401],
	["GET", "/v1/status", null, 200, 200, 200, 401],
	["GET", "/v1/tenants", null, 200, 200, 200, 401],
	["GET", "/v1/tenants/acme", null, 200, 200, 200, 401],
	["GET", "/v1/tenants/blue", null, 200, 200, 404, 401],
	["GET", "/v1/nodes", null, 200, 200, 403, 401],
	["GET", "/v1/nodes/edge1", null, 200, 200, 403, 401],
	["POST", "/v1/nodes/none/revoke", null, 404, 404, 403, 401],
	["GET", "/v1/functions", null, 200, 200, 403, 401],
	["GET", "/v1/functions/ids", null, 200, 200, 403, 401],
	["POST", "/v1/functions/ids/invalidate", {}, 200, 200, 404, 401],
	["POST", "/v1/functions/ids/drain", { instance: "no" }, 404, 404, 403, 401],
	["POST", "/v1/functions/ids/undrain", { instance: "no" }, 404, 404, 403, 401],
	["GET", "/v1/policies", null, 200, 200, 200, 401],
	["GET", "/v1/policies/web", null, 200, 200, 200, 401],
	["GET", "/v1/policies/blue-all", null, 200, 200, 404, 401],
	["GET", "/v1/paths", null, 200, 200, 200, 401],
	["GET", "/v1/paths/16777215", null, 404, 404, 404, 401],
	["GET", "/v1/flows", null, 200, 200, 200, 401],
	["GET", "/v1/states", null, 200, 200, 200, 401],
	["GET", "/v1/states?node=none", null, 404, 404, 200, 401],
	["GET", "/v1/counters", null, 200, 200, 200, 401],
	["GET", "/v1/events", null, 200, 200, 200, 401],
	["POST", "/v1/trace", packet, 200, 200, 200, 401],
	["POST", "/v1/trace", { ...packet, tenant: "blue" }, 200, 200, 403, 401],
	["GET", "/v1/tokens", null, 200, 403, 403, 401],
	["POST", "/v1/tokens", { name: "n", role: "admin" }, 201, 403, 403, 401],
	["DELETE", "/v1/tokens/none", null, 404, 403, 403, 401],
	["POST", "/v1/join-tokens", { node: "n" }, 201, 201, 403, 401],
	["POST", "/v1/apply", { documents: [own] }, 200, 200, 200, 401],
	["POST", "/v1/apply", { documents }, 200, 200, 403, 401],
	["POST", "/v1/apply", { documents: [own], dryRun: true }, 200, 200, 200, 401],
	["DELETE", "/v1/tenants/acme", null, 409, 409, 403, 401],
	["DELETE", "/v1/nodes/none", null, 404, 404, 404, 401],
	["DELETE", "/v1/nodes/edge1", null, 409, 409, 403, 401],
	["DELETE", "/v1/functions/ids", null, 409, 409, 403, 401],
	["DELETE", "/v1/policies/blue-all", null, 200, 404, 404, 401],
];

for (const [method, path, body, ...statuses] of table) {
	test(`access: ${method} ${path} ${body ? JSON.stringify(body).slice(0, 60) : ""}`, async () => {
		const roles = ["admin", "operator", "tenant", "nobody"] as const;
		const got: number[] = [];
		for (const role of roles) {
			const answer = await clients[role].call(
				method as "GET" | "POST" | "DELETE",
				path,
				body ?? undefined,
			);
			got.push(answer.status);
			if (answer.status >= 400) {
				assert.ok(answer.body.error.hint, "every error has a hint");
			}
		}
		assert.deepEqual(got, statuses);
		if (path === "/v1/policies/blue-all" && method === "DELETE") {
			await clients.admin.apply(documents);
		}
	});
}

test("access: a tenant sees of everything only its own", async () => {
	const { tenant } = clients;
	const list = async (path: string) => (await tenant.get(path)).body.items;
	assert.deepEqual(
		(await list("/v1/tenants")).map((t: { name: string }) => t.name),
		["acme"],
	);
	for (const item of await list("/v1/policies")) {
		assert.equal(item.spec.tenant, "acme");
	}
	const paths = await list("/v1/paths");
	assert.ok(paths.length > 0);
	for (const path of paths) assert.equal(path.tenant, "acme");
	const flows = await list("/v1/flows?tenant=blue");
	for (const flow of flows) assert.equal(flow.tenant, "acme");
	assert.equal((await list("/v1/flows")).length, 1);
	for (const query of ["", "?tenant=blue", "?node=edge1"]) {
		const states = await list(`/v1/states${query}`);
		assert.deepEqual(
			states.map((state: { tenant: string }) => state.tenant),
			["acme"],
		);
	}
	const [counters] = await list("/v1/counters");
	assert.ok(counters.hops.length > 0);
	for (const hop of counters.hops) assert.equal(hop.tenant, "acme");
	assert.deepEqual(counters.drops, []);
	assert.deepEqual([counters.verdicts, counters.states], [[], undefined]);
	for (const event of await list("/v1/events")) {
		assert.equal(event.tenant, "acme");
	}
	assert.deepEqual((await tenant.get("/v1/status")).body.nodes, []);
});

test("access: a tenant may make its own function forget, and no shared one", async () => {
	const { admin, tenant } = clients;
	const firewall = documents.find(({ name }) => name === "firewall");
	const of = (tenants: string[]) => ({
		...firewall,
		spec: { ...firewall?.spec, tenants },
	});
	const asked = () =>
		tenant.call("POST", "/v1/functions/firewall/invalidate", {
			instance: "fw1",
		});
	await admin.apply([of(["acme", "blue"])]);
	assert.equal((await asked()).status, 404);
	await admin.apply([
		of(["acme"]),
		policy("blue-all", "blue", "match(proto=udp) >> ids"),
	]);
	const { status, body } = await asked();
	assert.equal(status, 200, JSON.stringify(body));
	assert.deepEqual(body.items, [
		{ node: "edge1", function: "firewall", instance: "fw1" },
	]);
	await admin.apply(documents);
});

const foreign: [string, unknown][] = [
	["a policy for everybody", policy("x", undefined, "match() >> drop")],
	["another tenant's policy", policy("x", "blue", "match() >> drop")],
	[
		"the name of another's policy",
		policy("blue-all", "acme", "match() >> drop"),
	],
	[
		"a tenant",
		{ kind: "Tenant", name: "acme", spec: { subnets: ["0.0.0.0/0"] } },
	],
];
for (const [what, document] of foreign) {
	test(`access: a tenant may not declare ${what}`, async () => {
		const { status, body } = await clients.tenant.apply([document]);
		assert.equal(status, 403, JSON.stringify(body));
		const { body: after } = await clients.admin.get("/v1/policies");
		assert.ok(!after.items.some((p: { name: string }) => p.name === "x"));
	});
}

test("access: a tenant neither outranks operators nor touches what is above it", async () => {
	const { operator, tenant } = clients;
	const of = (name: string, priority: number) => ({
		kind: "Policy",
		name,
		spec: { tenant: "acme", rule: "match(dport=25) >> drop", priority },
	});
	assert.equal((await tenant.apply([of("top", 65_535)])).status, 403);
	assert.equal((await tenant.apply([of("mine", 29_999)])).status, 200);
	assert.equal((await operator.apply([of("theirs", 30_000)])).status, 200);
	assert.equal((await tenant.apply([of("theirs", 1)])).status, 403);
	const gone = await tenant.call("DELETE", "/v1/policies/theirs");
	assert.equal(gone.status, 403);
	assert.match(gone.body.error.message, /operator's/);
	assert.equal((await tenant.call("DELETE", "/v1/policies/mine")).status, 200);
	await operator.call("DELETE", "/v1/policies/theirs");
});

test("access: changes are in the audit log with who made them", async () => {
	await clients.tenant.apply([
		policy("audited", "acme", "match(dport=23) >> drop"),
	]);
	const { body } = await clients.admin.get("/v1/events");
	const last = body.items.findLast(
		(e: { kind: string }) => e.kind === "change",
	);
	assert.equal(last.who, "acme-admin");
	assert.match(last.message, /created Policy audited/);
});

test("access: a revoked token and an expired one are nobody's", async () => {
	const { admin } = clients;
	const created = await admin.call("POST", "/v1/tokens", {
		name: "brief",
		role: "operator",
	});
	const brief = admin.as(created.body.token);
	assert.equal((await brief.get("/v1/nodes")).status, 200);
	const revoked = await admin.call("DELETE", `/v1/tokens/${created.body.id}`);
	assert.equal(revoked.status, 204);
	assert.equal((await brief.get("/v1/nodes")).status, 401);
	await brief.close();
	const { body } = await admin.get("/v1/tokens");
	assert.ok(!JSON.stringify(body).includes("hash"), "hashes are not shown");
});
