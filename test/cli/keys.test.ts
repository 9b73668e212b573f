/** chainmail keys, and keys' service as a program of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { KeyList } from "../../src/api/schemas.js";
import { Site, until } from "../../src/controller/auc/testing/site.js";
import type { TestEf } from "../../src/controller/auc/testing/test-ef.js";
import {
	documents,
	policy,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import type { IntentDocument } from "../../src/model/intent.js";
import { chainmail, type Outcome } from "./command-line.js";

const CLI = new URL("../../src/main/cli.js", import.meta.url).pathname;
const SEALED = {
	kind: "Policy",
	name: "blue-all",
	spec: {
		tenant: "blue",
		rule: "match(proto=udp) >> firewall -> ids",
		encrypt: "between-nodes",
	},
} as IntentDocument;

const MORE = "match(proto=udp & dport=7) >> firewall -> ids";

const site = new Site();
let controller: TestController;
let centre: ChildProcess;
const efs: TestEf[] = [];

/** The service in a process of its own; resolves once it can be commanded. */
async function startCentre(): Promise<void> {
	const directory = join(site.directory, "auc");
	const places = ["--listen", `127.0.0.1:${ports.efs}`];
	const control = ["--control-port", String(ports.control)];
	centre = spawn(
		process.execPath,
		[CLI, "auc", "--data-dir", directory, ...places, ...control],
		{ stdio: ["ignore", "ignore", "pipe"] },
	);
	let said = "";
	centre.stderr?.on("data", (text) => {
		said += String(text);
	});
	await until("the centre runs", () => said.includes("takes commands at"));
	const file = JSON.parse(
		readFileSync(join(directory, "controller.json"), "utf8"),
	) as { url: string; efs: { port: number } };
	ports.efs = file.efs.port;
	ports.control = Number(new URL(file.url).port);
}

const ports = { efs: 0, control: 0 };

/** The node's EF gets a new key to enrol by, through its agent. */
function enrol(node: string): void {
	const key = efs.find(({ name }) => name === node)?.start();
	assert.ok(key);
	const agent = controller.agents.get(node);
	agent?.say({ type: "ef-enrol", key: key.toString("base64") });
}

before(async () => {
	await startCentre();
	const aucFile = join(site.directory, "auc", "controller.json");
	controller = await startTestController({ aucFile });
	for (const node of ["edge1", "edge2"]) {
		const agent = await controller.agent(node);
		await agent.until(() => agent.auc !== undefined);
		assert.deepEqual(
			{ host: agent.auc?.host, port: agent.auc?.port },
			{ host: "127.0.0.1", port: ports.efs },
		);
		const at = () => ({ host: "127.0.0.1", port: ports.efs });
		efs.push(site.ef(node, at));
		enrol(node);
	}
	const withoutIt = documents.filter(({ name }) => name !== SEALED.name);
	const { status, body } = await controller.admin.apply([...withoutIt, SEALED]);
	assert.equal(status, 200, JSON.stringify(body));
});
after(async () => {
	await controller?.close();
	const gone = once(centre, "exit");
	centre.kill("SIGKILL");
	await gone;
	await site.close();
});

function cli(line: string): Promise<Outcome> {
	const config = join(controller.dataDir, "admin.json");
	return chainmail(line.split(" "), { config });
}

async function listed(): Promise<KeyList> {
	const { status, stdout, stderr } = await cli("keys list --output json");
	assert.equal(status, 0, stderr);
	return JSON.parse(stdout) as KeyList;
}

test("keys list: a table, and JSON", async () => {
	const { status, stdout, stderr } = await cli("keys list");
	assert.equal(status, 0, stderr);
	assert.match(stdout, /^ *PATH +INDEX +CLASS +FROM +TO +TRANSFORM +STATE/);
	assert.match(stdout, /blue-all +edge1 +edge2 +aes-gcm-256 +ready +0x/);
	const { items } = await listed();
	assert.ok(items.length >= 2);
	assert.ok(items.every(({ state }) => state === "ready"));
});

test("keys rekey and revoke: a path, an SA, a node; then admit", async () => {
	const first = async () => {
		const { body } = await controller.admin.get("/v1/keys");
		const [link] = (body as KeyList).items;
		const sa = link?.sas.at(-1);
		assert.ok(link);
		/* One that is on its way would take the next request over. */
		const isDone = link.sas.every(({ phase }) => phase === "current");
		const isReady = link.state === "ready" && isDone;
		return { path: link.path, spi: sa?.espSpi ?? 0, isReady };
	};
	const commands = [
		({ path }: { path: number }) => `keys rekey path ${path}`,
		() => "keys rekey node edge1",
		({ spi }: { spi: number }) => `keys revoke sa 0x${spi.toString(16)}`,
	];
	for (const command of commands) {
		const old = await first();
		const line = command(old);
		const { status, stderr } = await cli(line);
		assert.equal(status, 0, stderr);
		await until(`${line}: another key`, async () => {
			const { spi, isReady } = await first();
			return isReady && spi !== old.spi;
		});
	}
	assert.equal((await cli("keys revoke node edge2")).status, 0);
	assert.deepEqual((await listed()).revoked, ["edge2"]);
	assert.equal((await cli("keys admit edge2")).status, 0);
	assert.equal((await cli("keys admit edge2")).status, 4);
	enrol("edge2");
	await until("it has keys again", async () => (await first()).isReady);
	assert.equal((await cli("keys revoke sa 4242")).status, 4);
	assert.equal((await cli("keys revoke path one")).status, 2);
	assert.equal((await cli("keys revoke link 5")).status, 2);
});

test("keys audit: what was done and by whom, never a key", async () => {
	const { status, stdout, stderr } = await cli("keys audit");
	assert.equal(status, 0, stderr);
	assert.match(stdout, /^TIME +KIND +NODE +WHO +MESSAGE/);
	assert.match(stdout, /keys +edge2 +admin +node edge2: keys revoked/);
	const few = JSON.parse(
		(await cli("keys audit --limit 2 --output json")).stdout,
	) as unknown[];
	assert.equal(few.length, 2);
});

test("a centre that is gone: sealed changes are refused, others are not; then it is back", async () => {
	const gone = once(centre, "exit");
	centre.kill("SIGKILL");
	await gone;
	const { status, stderr } = await cli("keys list");
	assert.equal(status, 1);
	assert.match(stderr, /does not answer.*chainmail auc/);
	const keys = () => efs.map(({ active }) => [...active.values()]);
	const before = keys();
	const web = policy("web", "acme", "match(proto=tcp & dport=81) >> firewall");
	const plain = await controller.admin.apply([web]);
	assert.equal(plain.status, 200, JSON.stringify(plain.body));
	const more = {
		...SEALED,
		name: "more",
		spec: { ...SEALED.spec, rule: MORE },
	};
	const refused = await controller.admin.apply([more], { timeoutMs: 1000 });
	assert.equal(refused.status, 503, JSON.stringify(refused.body));
	assert.equal(refused.body.error.code, "keys_unavailable");
	assert.deepEqual(keys(), before, "what there is serves on");

	await startCentre();
	const applied = await controller.admin.apply([more]);
	assert.equal(applied.status, 200, JSON.stringify(applied.body));
	const { items } = (await controller.admin.get("/v1/keys")).body as KeyList;
	const ofMore = items.filter(({ flowClass }) => flowClass === "more");
	assert.ok(ofMore.length >= 2);
	assert.ok(ofMore.every(({ state }) => state === "ready"));
});
