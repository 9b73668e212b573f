/** Agent and controller together, over real TLS and real traffic; then both die. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
	joinController,
	pinnedAuthority,
	readIdentity,
	renewIdentity,
} from "../../src/agent/enrol.js";
import { Node } from "../../src/agent/node.js";
import { namespaceName } from "../../src/functions/names.js";
import { netnsPids } from "../../src/kernel/netns.js";
import { isRunning, spawnDetached } from "../../src/kernel/process.js";
import {
	purgeAgent,
	type RunningAgent,
	startAgent,
} from "../../src/main/agent.js";
import {
	joinToken,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import type { Intent, IntentDocument } from "../../src/model/intent.js";
import { NO_MEMORY } from "../../src/plan/allocate.js";
import { plan } from "../../src/plan/plan.js";
import { Lab } from "./one-node.js";

const RULESET =
	"table inet f {\n\tchain c {\n\t\ttype filter hook forward priority 0;\n\t\ticmp type echo-request ip daddr 10.2.0.3 drop\n\t}\n}\n";

const documents = [
	{ kind: "Tenant", name: "t1", spec: { subnets: ["10.1.0.0/24"] } },
	{
		kind: "Node",
		name: "n",
		spec: {
			interfaces: [
				{ name: "acc", role: "access", tenant: "t1" },
				{ name: "ext", role: "exit" },
			],
		},
	},
	{
		kind: "Function",
		name: "fw",
		spec: {
			attach: "routed",
			runtime: "process",
			ruleset: { text: RULESET },
			command: ["sleep", "1000"],
			instances: [{ name: "a", node: "n" }],
		},
	},
	{
		kind: "Policy",
		name: "all",
		spec: { tenant: "t1", rule: "match(dst=10.2.0.0/24) >> fw" },
	},
];

async function eventually(
	what: string,
	ready: () => boolean | Promise<boolean>,
): Promise<void> {
	for (const end = Date.now() + 10_000; !(await ready()); await delay(10))
		assert.ok(Date.now() < end, `not within 10 s: ${what}`);
}

describe("agent under a controller", () => {
	const lab = new Lab();
	let controller: TestController;
	let agent: RunningAgent;
	const log: string[] = [];
	const options = () => ({
		prefix: lab.prefix,
		node: "n",
		netns: lab.node,
		stateDir: join(lab.directory, "agent"),
		controller: controller.admin.url,
		version: "test",
		log: (line: string) => log.push(line),
	});
	before(async () => {
		await lab.open();
		controller = await startTestController();
	});
	after(async () => {
		await agent?.close();
		await controller?.close();
		await purgeAgent(options()).catch(() => {});
		await lab.close();
	});

	it("without a token it says what is missing", async () => {
		await assert.rejects(
			startAgent(options()),
			/has not joined .*chainmail token join n/,
		);
	});

	it("does not send its secret to a server that lacks the pinned authority", async () => {
		await assert.rejects(
			pinnedAuthority(controller.admin.url, "0".repeat(64)),
			/does not show the authority/,
		);
		const [secret] = (await joinToken(controller.admin, "n")).split(".");
		const forged = `${secret}.${"0".repeat(64)}`;
		await assert.rejects(
			joinController(controller.admin.url, "n", forged, lab.directory),
			/does not show the authority/,
		);
		assert.ok(!existsSync(join(lab.directory, "identity.json")));
	});

	it("joins once, applies what is declared, and traffic takes the chain", async () => {
		agent = await startAgent({
			...options(),
			joinToken: await joinToken(controller.admin, "n"),
		});
		await eventually("a session", () => agent.connected);
		assert.equal(
			statSync(join(options().stateDir, "identity.json")).mode & 0o777,
			0o600,
		);
		const { status, body } = await controller.admin.apply(documents);
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(await lab.ping("10.2.0.2"), 3);
		assert.equal(await lab.ping("10.2.0.3", 1), 0, "the firewall blocks");
		const counters = await controller.admin.get("/v1/counters");
		assert.ok(
			counters.body.items[0].hops.some(
				(hop: { packets: number }) => hop.packets >= 3,
			),
			JSON.stringify(counters.body),
		);
		const flows = await controller.admin.get("/v1/flows?dst=10.2.0.2");
		assert.equal(flows.status, 200, JSON.stringify(flows.body));
	});

	it("a change under load loses nothing", async () => {
		const pings = lab.ping("10.2.0.2", 300, "0.005");
		const next = documents.map((one) =>
			one.kind === "Policy"
				? {
						...one,
						spec: { tenant: "t1", rule: "match(dst=10.2.0.0/24) >> fw -> fw2" },
					}
				: one,
		);
		const second = { ...documents[2], name: "fw2" };
		const { status, body } = await controller.admin.apply([...next, second]);
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(await pings, 300);
	});

	it("a broken ruleset is refused with its place, and traffic goes on", async () => {
		const broken = {
			...documents[2],
			spec: {
				...documents[2]?.spec,
				ruleset: { text: "table inet f {\n\tnonsense\n}\n" },
			},
		};
		const { body } = await controller.admin.apply([broken], {
			timeoutMs: 5000,
		});
		assert.match(JSON.stringify(body), /ruleset text: line 2/);
		assert.equal(await lab.ping("10.2.0.2"), 3);
		await controller.admin.apply([documents[2]]);
	});

	it("loses the controller, goes on, and finds it again by itself", async () => {
		const pings = lab.ping("10.2.0.2", 300, "0.005");
		await controller.restart();
		await eventually("the session again", async () => agent.connected);
		assert.equal(await pings, 300);
	});

	it("comes back with the identity it has, and renews it", async () => {
		await agent.close();
		agent = await startAgent(options());
		await eventually("a session", () => agent.connected);
		const before = readIdentity(options().stateDir);
		assert.ok(before);
		const renewed = await renewIdentity(
			controller.admin.url,
			"n",
			before,
			options().stateDir,
		);
		assert.notEqual(renewed.certificate, before.certificate);
		assert.deepEqual(readIdentity(options().stateDir), renewed);
	});
});

describe("agent alone", () => {
	const lab = new Lab();
	const stateDir = join(lab.directory, "agent");
	const options = { prefix: lab.prefix, node: "n", netns: lab.node, stateDir };
	let state: string;
	before(async () => {
		await lab.open();
		/* The state an agent would get for the documents above. */
		const named = <K extends IntentDocument["kind"]>(kind: K) =>
			new Map(
				documents
					.filter((one) => one.kind === kind)
					.map((one) => [one.name, one as IntentDocument & { kind: K }]),
			);
		const intent: Intent = {
			tenants: named("Tenant"),
			nodes: named("Node"),
			functions: named("Function"),
			flowClasses: named("FlowClass"),
			policies: named("Policy"),
		};
		state = JSON.stringify(plan(intent, NO_MEMORY).plan.states.get("n"));
		writeFileSync(join(lab.directory, "state.json"), state);
	});
	after(async () => {
		await purgeAgent(options).catch(() => {});
		await lab.close();
	});

	it("kill -9 loses no packet; the next agent adopts data plane and program", async () => {
		const program = fileURLToPath(new URL("./agent-alone.js", import.meta.url));
		const file = join(lab.directory, "state.json");
		const logFile = join(lab.directory, "agent.log");
		const argv = JSON.stringify({ ...options, stateFile: file });
		const child = await spawnDetached([process.execPath, program, argv], {
			logFile,
		});
		await eventually("the agent", () =>
			readFileSync(logFile, "utf8").includes("ready"),
		).catch((error) => {
			throw new Error(`${error}: ${readFileSync(logFile, "utf8")}`);
		});
		assert.equal(await lab.ping("10.2.0.2"), 3);
		const namespace = namespaceName(lab.prefix, "n", {
			function: "fw",
			instance: "a",
		});
		const program1 = netnsPids(namespace);
		assert.equal(program1.length, 1);

		const pings = lab.ping("10.2.0.2", 300, "0.005");
		process.kill(child.pid, "SIGKILL");
		await eventually("its end", () => !isRunning(child));
		const node = await Node.open(options);
		assert.deepEqual(netnsPids(namespace), program1, "its program was adopted");
		assert.equal(node.state.revision, JSON.parse(state).revision);
		assert.equal(await pings, 300);
		await node.destroy();
	});
});
