/** The API as a whole: OpenAPI, streams, metrics, descriptions, trace. */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { Type } from "typebox";
import { Check } from "typebox/value";
import { Agent, request } from "undici";
import { metricTable } from "../api/metrics.js";
import {
	CountersList,
	EventList,
	FlowClassList,
	FlowList,
	FunctionList,
	FunctionView,
	KeyList,
	NodeList,
	NodeView,
	PathList,
	PolicyList,
	PolicyView,
	StateList,
	StatusResponse,
	TenantList,
	TenantView,
	TokenList,
	TraceResponse,
} from "../api/schemas.js";
import { type FakeAgent, NO_COUNTERS } from "./testing/fake-agent.js";
import {
	type Client,
	documents,
	policy,
	startTestController,
	type TestController,
} from "./testing/network.js";

let controller: TestController;
let admin: Client;
let edge1: FakeAgent;

before(async () => {
	controller = await startTestController();
	admin = controller.admin;
	edge1 = await controller.agent("edge1");
	const edge2 = await controller.agent("edge2");
	for (const agent of [edge1, edge2]) {
		agent.answer = ({ what }) =>
			what === "counters"
				? {
						...NO_COUNTERS,
						hops: (agent.running?.paths ?? []).flatMap(({ spi, hops }) =>
							hops.flatMap((hop, index) =>
								hop ? [{ spi, si: 255 - index, packets: 11, bytes: 1100 }] : [],
							),
						),
						ports: [
							{
								function: "firewall",
								instance: "fw1",
								port: 1,
								side: "inside",
								toFunction: { packets: 5, bytes: 500 },
								fromFunction: { packets: 4, bytes: 400 },
							},
						],
						verdicts: [1, 2].map((port) => ({
							function: "firewall",
							instance: "fw1",
							port,
							what: "learned",
							count: 3,
						})),
						states: { entries: 77, capacity: 1024 },
						drops: [{ reason: "policy", packets: 2, bytes: 120 }],
					}
				: [];
	}
	assert.equal((await admin.apply(documents)).status, 200);
});
after(() => controller.close());

const shapes: [string, Type.TSchema][] = [
	["/v1/tenants", TenantList],
	["/v1/tenants/acme", TenantView],
	["/v1/nodes", NodeList],
	["/v1/nodes/edge1", NodeView],
	["/v1/functions", FunctionList],
	["/v1/flow-classes", FlowClassList],
	["/v1/functions/firewall", FunctionView],
	["/v1/policies", PolicyList],
	["/v1/policies/blue-all", PolicyView],
	["/v1/paths", PathList],
	["/v1/flows", FlowList],
	["/v1/states", StateList],
	["/v1/counters", CountersList],
	["/v1/events", EventList],
	["/v1/keys", KeyList],
	["/v1/keys/audit", EventList],
	["/v1/status", StatusResponse],
	["/v1/tokens", TokenList],
];
for (const [path, schema] of shapes) {
	test(`api: GET ${path} answers as its schema says`, async () => {
		const { status, body } = await admin.get(path);
		assert.equal(status, 200);
		assert.ok(Check(schema, body), JSON.stringify(body));
	});
}

test("api: OpenAPI names every route, each with its answers, and resolves", async () => {
	const { body } = await admin.get("/openapi.json");
	assert.equal(body.openapi, "3.1.0");
	const wanted: [string, string][] = [
		...shapes.map(
			([path]) =>
				[
					"get",
					path.replace(/\/(acme|edge1|firewall|blue-all)$/, "/{name}"),
				] as [string, string],
		),
		["get", "/v1/paths/{spi}"],
		["get", "/v1/flow-classes/{name}"],
		["get", "/metrics"],
		["get", "/healthz"],
		["post", "/v1/apply"],
		["post", "/v1/trace"],
		["post", "/v1/tokens"],
		["delete", "/v1/tokens/{id}"],
		["post", "/v1/join-tokens"],
		["post", "/v1/nodes/{name}/revoke"],
		["post", "/v1/keys/rekey"],
		["post", "/v1/keys/revoke"],
		["post", "/v1/keys/admit"],
		["post", "/v1/functions/{name}/invalidate"],
		["post", "/v1/functions/{name}/drain"],
		["post", "/v1/functions/{name}/undrain"],
		["post", "/agent/v1/join"],
		["post", "/agent/v1/renew"],
		...["tenants", "nodes", "functions", "flow-classes", "policies"].map(
			(kind) => ["delete", `/v1/${kind}/{name}`] as [string, string],
		),
	];
	for (const [method, path] of wanted) {
		const operation = body.paths[path]?.[method];
		assert.ok(operation, `${method} ${path} is not described`);
		assert.ok(Object.keys(operation.responses).length > 0);
		for (const name of path.matchAll(/\{(\w+)\}/g)) {
			assert.ok(
				operation.parameters.some(
					(p: { name: string; in: string }) =>
						p.name === name[1] && p.in === "path",
				),
				`${path}: parameter ${name[1]}`,
			);
		}
	}
	const count = Object.values(body.paths as Record<string, object>).reduce(
		(sum, operations) => sum + Object.keys(operations).length,
		0,
	);
	assert.equal(count, wanted.length, "no route beyond these");
	for (const [, pointer] of JSON.stringify(body).matchAll(
		/"\$ref":"#([^"]+)"/g,
	)) {
		const target = (pointer ?? "")
			.split("/")
			.slice(1)
			.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], body);
		assert.ok(target, `$ref ${pointer} leads nowhere`);
	}
});

test("api: a described policy has its paths, hops and counters in order", async () => {
	const { body } = await admin.get("/v1/policies/blue-all");
	const path = body.status.paths.find(
		(p: { direction: string; state: string }) =>
			p.direction === "forward" && p.state === "active",
	);
	const indices = path.hops.map((hop: { si: number }) => hop.si);
	assert.deepEqual(
		indices,
		[...indices].sort((a, b) => b - a),
	);
	const functions = path.hops
		.map((hop: { function?: string }) => hop.function)
		.filter(Boolean);
	assert.deepEqual(functions, ["firewall", "ids"]);
	assert.equal(path.hops.at(-1).kind, "exit");
	for (const hop of path.hops) assert.equal(hop.packets, 11);
});

test("api: trace names policy, path, functions and the exit", async () => {
	const { status, body } = await admin.call("POST", "/v1/trace", {
		tenant: "blue",
		src: "10.0.2.9",
		dst: "198.51.100.7",
		proto: "udp",
		dport: 53,
		live: true,
	});
	assert.equal(status, 200, JSON.stringify(body));
	assert.ok(Check(TraceResponse, body), JSON.stringify(body));
	assert.equal(body.verdict, "exit");
	assert.equal(body.policy, "blue-all");
	const functions = body.steps
		.map((step: { function?: string }) => step.function)
		.filter(Boolean);
	assert.deepEqual(functions, ["firewall", "ids"]);
	const passing = await admin.call("POST", "/v1/trace", {
		tenant: "acme",
		src: "10.0.1.9",
		dst: "198.51.100.7",
		proto: "icmp",
	});
	assert.equal(passing.body.verdict, "pass");
});

test("api: metrics carry nodes, hops, ports, reasons and revision", async () => {
	const { status, body, headers } = await admin.get("/metrics");
	assert.equal(status, 200);
	assert.match(String(headers["content-type"]), /^text\/plain/);
	for (const line of [
		/^chainmail_revision [1-9]/m,
		/^chainmail_agents_connected 2$/m,
		/^chainmail_drop_packets_total\{node="edge1",reason="policy"\} 2$/m,
		/^chainmail_hop_packets_total\{node="edge1",spi="\d+",si="255",policy="web",tenant="acme",function="firewall"\} 11$/m,
		/^chainmail_port_bytes_total\{node="edge2",function="firewall",instance="fw1",port="1",side="inside",direction="from"\} 400$/m,
		/^chainmail_verdict_total\{node="edge1",function="firewall",instance="fw1",what="learned"\} 6$/m,
		/^chainmail_states\{node="edge1"\} 77$/m,
		/^chainmail_states_capacity\{node="edge2"\} 1024$/m,
		/^chainmail_node_revision\{node="edge2"\} [1-9]/m,
	]) {
		assert.match(body, line);
	}
	const again = await admin.get("/metrics");
	assert.match(again.body, /reason="policy"\} 2$/m, "set anew, not added up");
});

test("api: the documented metrics are those there are", async () => {
	const { body } = await admin.get("/metrics");
	const told = [...String(body).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
		([, name, type]) => `${name} ${type}`,
	);
	assert.deepEqual(
		told.sort(),
		metricTable.map(({ name, type }) => `${name} ${type}`).sort(),
	);
	for (const { name, labels } of metricTable) {
		/* No fake agent reports health or has an EF; of keys keys.test.ts tells. */
		const isAbsent = /^chainmail_(instance_up$|ef_|key_)/.test(name);
		const used = new RegExp(`^${name}\\{(.*)\\} `, "m").exec(body)?.[1];
		if (isAbsent || labels.length === 0) continue;
		assert.deepEqual(
			[...(used ?? "").matchAll(/(\w+)="/g)].map(([, label]) => label),
			[...labels],
			name,
		);
	}
});

test("api: dry run tells changes and changes nothing", async () => {
	const before = (await admin.get("/v1/status")).body.revision;
	const { status, body } = await admin.apply(
		[policy("dry", "acme", "match(dport=1) >> drop")],
		{ dryRun: true },
	);
	assert.equal(status, 200);
	assert.deepEqual(body.changes, [
		{ kind: "Policy", name: "dry", action: "created" },
	]);
	assert.equal((await admin.get("/v1/status")).body.revision, before);
	assert.equal((await admin.get("/v1/policies/dry")).status, 404);
});

test("api: a shadowed policy is warned of, with a packet", async () => {
	const { body } = await admin.apply(
		[policy("z-shadow", "blue", "match(proto=udp & dport=53) >> drop")],
		{ dryRun: true },
	);
	const [warning] = body.warnings;
	assert.equal(warning.document, 0);
	assert.equal(warning.pointer, "/spec/rule");
	assert.match(warning.hint, /tenant blue/);
});

test("api: events stream, and resume after the last one seen", async () => {
	const dispatcher = new Agent({ connect: { ca: admin.ca }, bodyTimeout: 0 });
	const open = async (headers: Record<string, string>) => {
		const { body } = await request(`${admin.url}/v1/events`, {
			headers: {
				authorization: `Bearer ${admin.token}`,
				accept: "text/event-stream",
				...headers,
			},
			dispatcher,
		});
		return body;
	};
	const until = async (body: AsyncIterable<Buffer>, pattern: RegExp) => {
		let text = "";
		for await (const chunk of body) {
			text += chunk;
			const found = pattern.exec(text);
			if (found) return found;
		}
		throw new Error(`stream ended without ${pattern}`);
	};
	const live = await open({});
	const seen = until(live, /id: (\d+)\ndata: (\{.*streamed.*\})\n/);
	await admin.apply([policy("streamed", "acme", "match(dport=9) >> drop")]);
	const [, id, data] = await seen;
	assert.equal(JSON.parse(data ?? "").who, "admin");
	const resumed = await open({ "last-event-id": String(Number(id) - 1) });
	const [, first] = await until(resumed, /id: (\d+)\n/);
	assert.equal(first, id);
	await dispatcher.destroy();
});

test("api: the long poll answers when the last node has acknowledged", async () => {
	let held: number | undefined;
	edge1.react = (state) => {
		if (held !== undefined) return "ack";
		held = state.revision;
		return "ignore";
	};
	const applied = admin.apply(
		[policy("held", "acme", "match(dport=10) >> firewall")],
		{ timeoutMs: 5000 },
	);
	await edge1.until(() => held !== undefined);
	const brief = await admin.get("/v1/status?wait=revision&timeoutMs=20");
	assert.equal(brief.body.settled, false);
	const waiting = admin.get("/v1/status?wait=revision&timeoutMs=10000");
	edge1.running = edge1.states.at(-1);
	edge1.say({ type: "ack", revision: held ?? 0, tookMs: 1 });
	assert.equal((await waiting).body.settled, true);
	assert.equal((await applied).status, 200);
});
