/** 200 simulated agents over real mutual TLS: one change reaches all of them. */
import assert from "node:assert/strict";
import test from "node:test";
import type { IntentDocument } from "../model/intent.js";
import { policy, startTestController } from "./testing/network.js";

const NODES = 200;
const names = Array.from({ length: NODES }, (_, index) => `node${index}`);

const documents: IntentDocument[] = [
	{ kind: "Tenant", name: "acme", spec: { subnets: ["10.0.0.0/8"] } },
	...names.map((name, index): IntentDocument => {
		const underlay = `192.0.${2 + (index >> 7)}.${1 + (index & 127)}`;
		const role = index === 0 ? "exit" : "access";
		return {
			kind: "Node",
			name,
			spec: {
				underlay,
				interfaces: [
					{ name: "user0", role, tenant: "acme" },
					{ name: "und0", role: "underlay" },
				],
			},
		};
	}),
	{
		kind: "Function",
		name: "firewall",
		spec: {
			attach: "routed",
			runtime: "process",
			instances: names
				.slice(0, 4)
				.map((node, index) => ({ name: `fw${index}`, node })),
		},
	},
	policy("web", "acme", "match(proto=tcp & dport=80) >> firewall"),
];

test("swarm: a change is acknowledged by 200 agents", async (t) => {
	const controller = await startTestController();
	try {
		const { admin } = controller;
		for (const name of names) await controller.agent(name);
		const first = await admin.apply(documents);
		assert.equal(first.status, 200, JSON.stringify(first.body).slice(0, 500));
		assert.deepEqual(first.body.pending, []);
		assert.deepEqual(first.body.disconnected, []);

		const began = performance.now();
		const change = policy("web", "acme", "match(dport=443) >> firewall");
		const { status, body } = await admin.apply([change]);
		const tookMs = performance.now() - began;
		assert.equal(status, 200);
		assert.deepEqual(body.pending, []);
		t.diagnostic(`${NODES} agents: one change took ${tookMs.toFixed(0)} ms`);
		for (const [name, agent] of controller.agents) {
			const rules = agent.running?.ruleSets.flatMap((set) => set.rules) ?? [];
			for (const rule of rules) {
				assert.deepEqual(
					rule.keys.map((key) => key.dport),
					rule.keys.map(() => 443),
					`${name} has the new rule`,
				);
			}
		}
		const settled = await admin.get("/v1/status?wait=revision");
		assert.equal(settled.body.settled, true);
	} finally {
		await controller.close();
	}
});
