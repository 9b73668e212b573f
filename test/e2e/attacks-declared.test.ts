/**
 * Declarations that would bring packets of a sealed policy into the clear: whoever
 * makes them, through the API: refused, and no node hears of it.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ErrorBody } from "../../src/api/schemas.js";
import { Site } from "../../src/controller/auc/testing/site.js";
import type { FakeAgent } from "../../src/main/testing/fake-agent.js";
import {
	type Answer,
	type Client,
	documents,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import type { IntentDocument, PolicyDocument } from "../../src/model/intent.js";
import { until } from "./until.js";

/** From here on priorities are operators' own. */
const OPERATORS = 30_000;
const RULE = "match(proto=udp) >> firewall -> ids";

const policy = (
	name: string,
	spec: Partial<PolicyDocument["spec"]>,
): PolicyDocument => ({
	kind: "Policy",
	name,
	spec: { tenant: "blue", rule: RULE, ...spec },
});
const MUST = policy("blue-all", {
	priority: OPERATORS,
	encrypt: { when: "between-nodes", except: ["video"] },
});
const VIDEO: IntentDocument = {
	kind: "FlowClass",
	name: "video",
	spec: { match: "proto=udp & dport=5004" },
};

describe("declarations that would open a sealed policy", () => {
	const site = new Site();
	let controller: TestController;
	let agents: readonly FakeAgent[] = [];
	let tenant: Client;

	before(async () => {
		controller = await startTestController();
		agents = await Promise.all(
			["edge1", "edge2"].map((node) => controller.agent(node)),
		);
		await Promise.all(
			agents.map(async (agent) => {
				await agent.until(() => agent.auc !== undefined);
				const at = { host: "127.0.0.1", port: agent.auc?.port ?? 0 };
				const ef = site.ef(agent.node, () => at);
				const key = ef.start() ?? Buffer.alloc(0);
				agent.say({ type: "ef-enrol", key: key.toString("base64") });
				await until("it has enrolled", () => ef.status.enrolled);
			}),
		);
		const { admin } = controller;
		const others = documents.filter(({ name }) => name !== MUST.name);
		const { status, body } = await admin.apply([...others, VIDEO, MUST]);
		assert.equal(status, 200, JSON.stringify(body));
		const names = { name: "blue-admin", role: "tenant", tenant: "blue" };
		tenant = admin.as(await admin.newToken(names));
	});
	after(async () => {
		await tenant?.close();
		await controller?.close();
		await site.close();
	});

	/** It is refused so, and no node is sent anything. */
	async function refused(
		status: number,
		message: RegExp,
		act: () => Promise<Answer>,
	): Promise<void> {
		const before = agents.map(({ states }) => states.length);
		const answer = await act();
		assert.equal(answer.status, status, JSON.stringify(answer.body));
		const { error } = answer.body as ErrorBody;
		assert.match(JSON.stringify(error), message);
		assert.deepEqual(
			agents.map(({ states }) => states.length),
			before,
		);
	}

	describe("by a tenant", () => {
		it("a policy above the operators'", () =>
			refused(403, /priorit/, () =>
				tenant.apply([policy("mine", { priority: OPERATORS + 1 })]),
			));
		it("the operators' policy, without encryption", () =>
			refused(403, /blue-all/, () =>
				tenant.apply([policy(MUST.name, { priority: OPERATORS })]),
			));
		it("the operators' policy, as one of its own", () =>
			refused(403, /blue-all/, () =>
				tenant.apply([policy(MUST.name, { priority: 1 })]),
			));
		it("no such policy at all", () =>
			refused(403, /blue-all/, () =>
				tenant.call("DELETE", `/v1/policies/${MUST.name}`),
			));
		it("everything an exception", () =>
			refused(403, /FlowClass|flow class/, () =>
				tenant.apply([{ ...VIDEO, spec: { match: "proto=udp" } }]),
			));
		it("a policy below the operators': it is there, and takes nothing of theirs", async () => {
			const mine = policy("mine", { priority: OPERATORS - 1 });
			const { status, body } = await tenant.apply([mine]);
			assert.equal(status, 200, JSON.stringify(body));
			const { body: traced } = await controller.admin.call(
				"POST",
				"/v1/trace",
				{
					tenant: "blue",
					src: "10.0.2.5",
					dst: "203.0.113.10",
					proto: "udp",
					dport: 25,
				},
			);
			assert.match(JSON.stringify(traced), /"policy":"blue-all"/);
			assert.match(JSON.stringify(traced), /"sealed":"esp"/);
		});
	});

	describe("by an operator who errs", () => {
		const declares = (...all: readonly IntentDocument[]) =>
			controller.admin.apply(all);
		const SPEC = { ...MUST.spec, encrypt: "between-nodes" } as const;

		it("packets that pass by all functions", () =>
			refused(422, /in the clear/, () =>
				declares(
					policy(MUST.name, { ...SPEC, rule: "match(proto=udp) >> pass" }),
				),
			));
		it("an exception that nobody declared", () =>
			refused(422, /flow class/, () =>
				declares(
					policy(MUST.name, {
						encrypt: { when: "between-nodes", except: ["films"] },
					}),
				),
			));
		it("an external function that would get the packets as they are", () => {
			const external: IntentDocument = {
				kind: "Function",
				name: "abroad",
				spec: {
					attach: "routed",
					runtime: "external",
					instances: [
						{ name: "x", node: "edge2", inside: "x0", outside: "x1" },
					],
				},
			};
			return refused(422, /in the clear/, () =>
				declares(
					external,
					policy(MUST.name, {
						rule: "match(proto=udp) >> abroad",
						encrypt: "always",
					}),
				),
			);
		});
		it("an exception's class that is still excepted from", () =>
			refused(409, /video/, () =>
				controller.admin.call("DELETE", `/v1/flow-classes/${VIDEO.name}`),
			));
	});

	it("every state that nodes were sent seals all but the exception", () => {
		const sent = agents.flatMap(({ states }) => states);
		const paths = sent.flatMap((state) => state.paths);
		const ofPolicy = paths.filter(({ policy }) => policy === MUST.name);
		assert.ok(ofPolicy.length > 0);
		for (const { spi, hops, flowClass } of ofPolicy) {
			const isExcepted: boolean = flowClass === `${MUST.name}/${VIDEO.name}`;
			for (const hop of hops)
				if (hop?.kind === "node")
					assert.equal(hop.sealed, isExcepted ? undefined : "esp", `${spi}`);
		}
	});
});
