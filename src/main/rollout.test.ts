/** Changes on their way to nodes: phases, refusals, losses, restarts. */
import assert from "node:assert/strict";
import test from "node:test";
import type { NodeState } from "../plan/state.js";
import type { FakeAgent, Reaction } from "./testing/fake-agent.js";
import {
	documents,
	policy,
	startTestController,
	type TestController,
} from "./testing/network.js";

async function network(
	body: (
		controller: TestController,
		edge1: FakeAgent,
		edge2: FakeAgent,
	) => Promise<void>,
	options: Parameters<typeof startTestController>[0] = {},
): Promise<void> {
	const controller = await startTestController(options);
	try {
		const edge1 = await controller.agent("edge1");
		const edge2 = await controller.agent("edge2");
		await body(controller, edge1, edge2);
	} finally {
		await controller.close();
	}
}

const longer = policy(
	"web",
	"acme",
	"match(proto=tcp & dport=80) >> firewall -> ids",
);
const pathsOf = (state: NodeState | undefined, name: string, active: boolean) =>
	(state?.paths ?? [])
		.filter((path) => path.policy === name && path.active === active)
		.map((path) => path.spi);
/** Functions' count of the chain the node's rules point at. */
const chosenLength = (state: NodeState | undefined, name: string) => {
	const rule = state?.ruleSets
		.flatMap((set) => set.rules)
		.find((candidate) => candidate.policy === name);
	const spi = rule?.action.kind === "chain" ? rule.action.slots[0] : undefined;
	return state?.paths.find((path) => path.spi === spi)?.length;
};

test("rollout: first apply gives every node its state, all rules resolve", () =>
	network(async ({ admin }, edge1, edge2) => {
		const { status, body } = await admin.apply(documents);
		assert.equal(status, 200, JSON.stringify(body));
		assert.deepEqual(body.pending, []);
		assert.deepEqual(body.disconnected, []);
		assert.equal(body.changes.length, documents.length);
		assert.equal(chosenLength(edge1.running, "web"), 1);
		assert.equal(chosenLength(edge1.running, "blue-all"), 2);
		assert.ok(edge2.running);
		const again = await admin.apply(documents);
		assert.ok(
			again.body.changes.every(
				(c: { action: string }) => c.action === "unchanged",
			),
		);
	}));

test("rollout: make before switch before break, break only when drained", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		const old = pathsOf(edge1.running, "web", true);
		edge1.states.length = 0;
		edge2.idleMs = 0;
		const { status, body } = await admin.apply([longer]);
		assert.equal(status, 200, JSON.stringify(body));

		const [made, switched] = edge1.states;
		assert.equal(chosenLength(made, "web"), 1, "make: old rules");
		assert.ok(pathsOf(made, "web", true).length > old.length, "make: union");
		assert.equal(chosenLength(switched, "web"), 2, "switch: new rules");
		assert.deepEqual(pathsOf(switched, "web", false), old, "old ones drain");
		assert.ok((made?.revision ?? 0) < (switched?.revision ?? 0));

		const status1 = await admin.get("/v1/status");
		assert.equal(status1.body.phase, "drain");
		const holding = edge1.states.length;
		edge2.status();
		await admin.get("/v1/status");
		assert.equal(edge1.states.length, holding, "busy paths are not broken");

		edge2.idleMs = 5000;
		edge2.status();
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
		assert.equal(chosenLength(edge1.running, "web"), 2);
	}));

test("rollout: a change that comes while paths drain does not wait for them", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		const first = pathsOf(edge1.running, "web", true);
		edge1.idleMs = 0;
		edge2.idleMs = 0;
		await admin.apply([longer]);
		const drop = policy("web", "acme", "match(proto=tcp) >> drop");
		const { status } = await admin.apply([drop]);
		assert.equal(status, 200);
		const draining = pathsOf(edge1.running, "web", false);
		assert.ok(
			first.every((spi) => draining.includes(spi)),
			"still there",
		);
		assert.ok(draining.length > first.length, "and the second's, too");
		edge1.idleMs = edge2.idleMs = 9999;
		edge1.status();
		edge2.status();
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
	}));

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

		edge1.idleMs = edge2.idleMs = 5000;
		edge1.status();
		edge2.status();
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

/** Reacts to the n-th state from now on, counted from 1; acknowledges others. */
function onState(agent: FakeAgent, n: number, reaction: Reaction): void {
	let count = 0;
	agent.react = () => (++count === n ? reaction : "ack");
}

for (const [phase, n] of [
	["make", 1],
	["switch", 2],
] as const) {
	test(`rollout: a refusal at ${phase} takes everything back`, () =>
		network(async (controller, edge1, edge2) => {
			const { admin } = controller;
			await admin.apply(documents);
			const before = edge1.running?.paths.map((path) => path.spi) ?? [];
			onState(edge2, n, { refuse: "disk is full" });
			const { status, body } = await admin.apply([longer]);
			assert.equal(status, 409);
			assert.equal(body.error.code, "node_refused");
			assert.match(body.error.message, /edge2.*disk is full/);
			await edge1.until(
				() =>
					chosenLength(edge1.running, "web") === 1 &&
					edge1.running?.paths.length === before.length,
			);
			const tried = edge1.states
				.flatMap((state) => state.paths)
				.filter((path) => !before.includes(path.spi))
				.map((path) => path.spi);
			assert.ok(tried.length > 0);
			const generations = (states: readonly (NodeState | undefined)[]) =>
				states.flatMap((s) => s?.ruleSets.map((set) => set.generation) ?? []);
			assert.equal(
				Math.max(...generations([edge1.running])) >=
					Math.max(...generations(edge1.states)),
				true,
				"flows that the failed rules judged are judged again",
			);

			await controller.restart();
			for (const agent of [edge1, edge2]) {
				await agent.until(() => !agent.isConnected);
				await agent.connect(admin.url);
			}
			const web = await admin.get("/v1/policies/web");
			assert.doesNotMatch(web.body.spec.rule, /ids/, "intent is what it was");
			const other = policy(
				"web",
				"acme",
				"match(proto=tcp) >> ids -> firewall",
			);
			const kept = edge1.running?.paths.map((path) => path.spi);
			assert.deepEqual(kept, before, "the old chain kept its numbers");
			const next = await admin.apply([other]);
			assert.equal(next.status, 200, JSON.stringify(next.body));
			assert.equal(chosenLength(edge1.running, "web"), 2);
			const spis = edge1.running?.paths.map((path) => path.spi) ?? [];
			assert.ok(
				!spis.some((spi) => tried.includes(spi)),
				"numbers of the failed try rest",
			);
		}));

	test(`rollout: a node that leaves at ${phase} holds nobody up and gets the newest state`, () =>
		network(async (controller, edge1, edge2) => {
			const { admin } = controller;
			await admin.apply(documents);
			onState(edge2, n, "leave");
			const { status, body } = await admin.apply([longer]);
			assert.equal(status, 200);
			assert.deepEqual(body.disconnected, ["edge2"]);
			assert.equal(chosenLength(edge1.running, "web"), 2);
			edge2.react = () => "ack";
			await edge2.connect(admin.url);
			await edge2.until(() => (edge2.running?.revision ?? 0) >= body.revision);
			const after = await admin.get("/v1/status?wait=revision");
			assert.equal(after.body.settled, true);
		}));
}

test("rollout: silence at make takes the change back and names the node", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		onState(edge2, 1, "ignore");
		const { status, body } = await admin.apply([longer], { timeoutMs: 200 });
		assert.equal(status, 504);
		assert.match(body.error.message, /edge2/);
		await edge1.until(() => chosenLength(edge1.running, "web") === 1);
	}));

test("rollout: silence at switch is told as pending", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		onState(edge2, 2, "ignore");
		const { status, body } = await admin.apply([longer], { timeoutMs: 200 });
		assert.equal(status, 200);
		assert.deepEqual(body.pending, ["edge2"]);
		assert.equal(chosenLength(edge1.running, "web"), 2);
	}));

test("rollout: changes at the same time are carried out one after the other", () =>
	network(async ({ admin }, edge1) => {
		await admin.apply(documents);
		const ports = [81, 82, 83, 84, 85];
		const answers = await Promise.all(
			ports.map((port) =>
				admin.apply([
					policy(
						`p${port}`,
						"acme",
						`match(proto=tcp & dport=${port}) >> firewall`,
					),
				]),
			),
		);
		assert.deepEqual(
			answers.map((answer) => answer.status),
			ports.map(() => 200),
		);
		for (const port of ports) {
			assert.equal(chosenLength(edge1.running, `p${port}`), 1);
		}
		const revisions = edge1.states.map((state) => state.revision);
		assert.deepEqual(
			revisions,
			[...revisions].sort((a, b) => a - b),
		);
	}));

test("rollout: an instance that is down gets no new paths until it is up", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		const through = async (instance: string) => {
			const { body } = await admin.get("/v1/paths");
			return body.items.filter(
				(path: { state: string; hops: { instance?: string }[] }) =>
					path.state === "active" &&
					path.hops.some((hop) => hop.instance === instance),
			).length;
		};
		assert.ok((await through("fw1")) > 0);
		const report = (state: "up" | "down") => {
			edge1.instances = [
				{
					function: "firewall",
					instance: "fw1",
					state,
					reason: "process",
					restarts: 1,
				},
			];
			edge1.status();
		};
		const seen = edge1.states.length;
		report("down");
		await edge1.until(() => edge1.states.length >= seen + 2);
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
		assert.equal(await through("fw1"), 0);
		assert.ok((await through("fw2")) > 0);
		const later = edge1.states.length;
		report("up");
		await edge1.until(() => edge1.states.length >= later + 2);
		assert.ok((await through("fw1")) > 0);
		assert.ok(edge2.isConnected);
	}));

test("rollout: a restarted controller sends what it had sent, and goes on", () =>
	network(async (controller, edge1, edge2) => {
		const { admin } = controller;
		await admin.apply(documents);
		edge1.idleMs = edge2.idleMs = 0;
		await admin.apply([longer]);
		const before = edge1.running;
		await controller.restart();
		await edge1.until(() => !edge1.isConnected);
		await edge1.connect(admin.url);
		await edge2.connect(admin.url);
		await edge1.until(() => edge1.states.at(-1)?.revision === before?.revision);
		assert.deepEqual(edge1.states.at(-1), before, "adopted as it was");
		edge1.idleMs = edge2.idleMs = 9999;
		edge1.status();
		edge2.status();
		await edge1.until(() => pathsOf(edge1.running, "web", false).length === 0);
	}));

test("rollout: a controller that stops in the middle of a change finishes it later", () =>
	network(async (controller, edge1, edge2) => {
		const { admin } = controller;
		await admin.apply(documents);
		onState(edge2, 1, "ignore");
		const seen = edge1.states.length;
		const applied = admin.apply([longer]).catch(() => undefined);
		await edge1.until(() => edge1.states.length > seen);
		await controller.restart();
		const answer = await applied;
		assert.notEqual(answer?.status, 200, "it was not carried out then");
		for (const agent of [edge1, edge2]) {
			await agent.until(() => !agent.isConnected);
			await agent.connect(admin.url);
		}
		await edge1.until(() => chosenLength(edge1.running, "web") === 2);
	}));

test("rollout: a node that is ahead of the controller's store is overtaken", () =>
	network(async ({ admin }, edge1) => {
		await admin.apply(documents);
		const { running } = edge1;
		assert.ok(running);
		await edge1.leave();
		edge1.running = { ...running, revision: 5000 };
		await edge1.connect(admin.url);
		await edge1.until(() => (edge1.running?.revision ?? 0) > 5000);
		const { body } = await admin.apply([longer]);
		assert.ok(body.revision > 5000);
	}));

test("rollout: a node that refuses for long holds up nobody else's change", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		edge2.react = () => ({ refuse: "und0 is gone" });
		await edge2.leave();
		edge2.states.length = 0;
		await edge2.connect(admin.url);
		await edge2.until(() => edge2.states.length > 0);
		const { status } = await admin.apply([
			policy("other", "acme", "match(dport=7) >> drop"),
		]);
		assert.equal(status, 200);
		assert.ok(
			edge1.running?.ruleSets.some((set) =>
				set.rules.some((rule) => rule.policy === "other"),
			),
		);
		const { body } = await admin.get("/v1/nodes/edge2");
		assert.equal(body.status.lastError, "und0 is gone");
	}));

test("rollout: a deleted node is emptied", () =>
	network(async ({ admin }, edge1, edge2) => {
		await admin.apply(documents);
		for (const path of [
			"policies/web",
			"policies/blue-all",
			"functions/ids",
			"functions/firewall",
			"nodes/edge2",
		]) {
			const { status, body } = await admin.call("DELETE", `/v1/${path}`);
			assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
		}
		await edge2.until(
			() =>
				edge2.running?.instances.length === 0 &&
				edge2.running.interfaces.length === 0,
		);
		assert.ok(edge1.running?.interfaces.length);
	}));
