/** The CLI against a running controller: what users see of it, and exit codes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type {
	ApplyResponse,
	NodeView,
	PathView,
} from "../../src/api/schemas.js";
import {
	documents,
	policy,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import {
	CHAINMAIL,
	type Outcome,
	chainmail as run,
	yaml,
} from "./command-line.js";

let controller: TestController;
let directory: string;

before(async () => {
	controller = await startTestController();
	await controller.agent("edge1");
	await controller.agent("edge2");
	directory = mkdtempSync(join(tmpdir(), "chainmail-cli-"));
	writeFileSync(join(directory, "network.yaml"), yaml(documents));
});
after(async () => {
	await controller.close();
	rmSync(directory, { recursive: true });
});

function chainmail(
	argv: readonly string[],
	options: { input?: string; config?: string } = {},
): Promise<Outcome> {
	const config = join(controller.dataDir, "admin.json");
	return run(argv, { config, ...options });
}

async function json<T>(argv: readonly string[]): Promise<T> {
	const { status, stdout, stderr } = await chainmail([...argv, "-o", "json"]);
	assert.equal(status, 0, stderr);
	return JSON.parse(stdout) as T;
}

test("cli: a dry run changes nothing, apply does, again changes nothing", async () => {
	const file = join(directory, "network.yaml");
	const dry = await chainmail(["apply", "-f", file, "--dry-run"]);
	assert.equal(dry.status, 0, dry.stderr);
	assert.match(dry.stdout, /created\n[\s\S]*dry run: nothing has changed/);
	assert.deepEqual(await json(["get", "tenants"]), []);
	const applied = await chainmail(["apply", "-f", file, "--wait"]);
	assert.equal(applied.status, 0, applied.stderr);
	assert.match(applied.stdout, /^tenant\/\S+ created$/m);
	const again = await json<ApplyResponse>(["apply", "-f", directory]);
	assert.ok(again.changes.every(({ action }) => action === "unchanged"));
});

test("cli: a problem only the controller sees stands at its place in the file", async () => {
	const text = [
		"kind: Policy",
		"name: wrong",
		"spec:",
		"  tenant: blue",
		"  rule: match(dport=80) >> fierwall",
		"",
	].join("\n");
	const { status, stderr } = await chainmail(["apply", "-f", "-"], {
		input: text,
	});
	assert.equal(status, 1);
	assert.match(stderr, /^<stdin>:5:28: error: .*fierwall/m);
	const [, excerpt = "", caret = ""] = stderr.split("\n");
	assert.equal(caret.indexOf("^"), excerpt.indexOf("fierwall"));
	assert.match(stderr, /did you mean `firewall`/);
	assert.match(stderr, /nothing has changed/);
	const missing = await chainmail(["get", "policy", "wrong"]);
	assert.equal(missing.status, 4);
});

test("cli: lists and descriptions in all forms", async () => {
	const nodes = await json<NodeView[]>(["get", "nodes"]);
	assert.deepEqual(
		nodes.map(({ name, status }) => [name, status.connected]),
		[
			["edge1", true],
			["edge2", true],
		],
	);
	const table = await chainmail(["get", "nodes"]);
	assert.match(table.stdout, /^NODE +STATE/);
	assert.match(table.stdout, /^edge1 +ready/m);
	assert.doesNotMatch(table.stdout, /\[/, "no colour in a pipe");
	const one = await json<NodeView>(["get", "node", "edge2"]);
	assert.equal(one.name, "edge2");
	const [path] = await json<PathView[]>(["get", "paths"]);
	assert.ok(path);
	for (const [argv, pattern] of [
		[["describe", "path", String(path.spi)], /Path \d+ .*\n.*MTU/],
		[["describe", "node", "edge1"], /connected: yes/],
		[["describe", "function", "firewall"], /attach: routed/],
		[["describe", "tenant", "blue"], /subnets:/],
		[["get", "functions", "--output", "yaml"], /^- kind: Function/],
		[["get", "counters"], /no counters|NODE/],
		[["get", "flows", "--proto", "tcp"], /no flows|NODE/],
		[["get", "events", "--limit", "5"], /^TIME/],
		[["get", "policies"], /RULE/],
	] as const) {
		const { status, stdout, stderr } = await chainmail(argv);
		assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
		assert.match(stdout, pattern, argv.join(" "));
	}
});

test("cli: a missing name tells what there is", async () => {
	const { status, stderr } = await chainmail(["get", "node", "edge3"]);
	assert.equal(status, 4);
	assert.match(stderr, /node `edge3`: not found \(known: edge1, edge2\)/);
	const described = await chainmail(["describe", "path", "999"]);
	assert.equal(described.status, 4, described.stderr);
});

test("cli: trace says the way and the reason of each step", async () => {
	const packet =
		"--tenant blue --src 10.0.1.5 --dst 198.51.100.9 --proto tcp --dport 443";
	const { status, stdout, stderr } = await chainmail([
		"trace",
		...packet.split(" "),
	]);
	assert.equal(status, 0, stderr);
	assert.match(stdout, /^ 1 {2}edge1/m);
	assert.match(stdout, /The packet /);
	const wrong = await chainmail([
		"trace",
		...packet.replace("10.0.1.5", "10.0.1.555").split(" "),
	]);
	assert.equal(wrong.status, 1);
	assert.match(wrong.stderr, /10\.0\.1\.555/);
});

test("cli: a token is shown once, works, and stops working when revoked", async () => {
	const made = await chainmail(["token", "create", "ci", "--role", "operator"]);
	assert.equal(made.status, 0, made.stderr);
	const token = made.stdout.trim();
	const config = join(directory, "ci.json");
	const admin = await import("node:fs").then(({ readFileSync }) =>
		JSON.parse(readFileSync(join(controller.dataDir, "admin.json"), "utf8")),
	);
	writeFileSync(config, JSON.stringify({ ...admin, token }), { mode: 0o600 });
	assert.equal((await chainmail(["get", "nodes"], { config })).status, 0);
	const forbidden = await chainmail(["token", "list"], { config });
	assert.equal(forbidden.status, 1);
	const tokens = await json<{ id: string; name: string }[]>(["token", "list"]);
	const mine = tokens.find(({ name }) => name === "ci");
	assert.ok(mine);
	assert.equal((await chainmail(["token", "revoke", mine.id])).status, 0);
	const refused = await chainmail(["get", "nodes"], { config });
	assert.equal(refused.status, 3);
	assert.match(refused.stderr, /token/);
	rmSync(config);
});

/** Runs a command that goes on; `until` resolves once all it said matches. */
function going(argv: readonly string[]) {
	const child = execFile(CHAINMAIL, argv, {
		env: {
			...process.env,
			CHAINMAIL_CONFIG: join(controller.dataDir, "admin.json"),
		},
	});
	let text = "";
	const looks = new Set<() => void>();
	const look = () => {
		for (const one of [...looks]) one();
	};
	for (const stream of [child.stdout, child.stderr])
		stream?.on("data", (data: string) => {
			text += data;
			look();
		});
	child.once("exit", look);
	return {
		stop: () => child.kill(),
		until: (pattern: RegExp) =>
			new Promise<string>((resolve, reject) => {
				const check = () => {
					if (pattern.test(text)) resolve(text);
					else if (child.exitCode !== null)
						reject(new Error(`ended without ${pattern}: ${text}`));
					else return;
					looks.delete(check);
				};
				looks.add(check);
				check();
			}),
	};
}

test("cli: events are followed as they happen", async () => {
	const events = going(["get", "events", "--watch"]);
	// The stream may start after the first: make some until one is seen.
	let made = 0;
	const timer = setInterval(() => {
		made++;
		void controller.admin.newToken({
			name: `watched-token-${made}`,
			role: "operator",
		});
	}, 100);
	try {
		const text = await events.until(/watched-token/);
		assert.match(text, /^\d{4}-\d\d-\d\dT\S+ {2}token {2}/m);
	} finally {
		clearInterval(timer);
		events.stop();
	}
});

test("cli: lists are shown anew when they change, without asking again", async () => {
	const rarely = ["--watch", "--interval", "600s"];
	const nodes = going(["get", "nodes", ...rarely]);
	const policies = going(["get", "policies", ...rarely, "--output", "json"]);
	try {
		await nodes.until(/edge2 +ready/);
		await policies.until(/"name": "web"/);
		const edge2 = controller.agents.get("edge2");
		assert.ok(edge2);
		await edge2.leave();
		await nodes.until(/edge2 +disconnected/);
		await edge2.connect(controller.admin.url);
		await nodes.until(/edge2 +disconnected[\s\S]*edge2 +ready/);
		await controller.admin.apply([
			policy("watched", "acme", "match(dport=7) >> drop"),
		]);
		await policies.until(/"name": "watched"/);
		await controller.admin.call("DELETE", "/v1/policies/watched");
		await policies.until(/"watched"[\s\S]*^\[(?![\s\S]*"watched")[\s\S]*^\]/m);
	} finally {
		nodes.stop();
		policies.stop();
	}
});

test("cli: a watched list says so when the controller goes away", async () => {
	const nodes = going(["get", "nodes", "--watch", "--interval", "600s"]);
	try {
		await nodes.until(/edge2 +ready/);
		await controller.restart();
		await nodes.until(/controller https:.*: connection lost/);
	} finally {
		nodes.stop();
		for (const agent of controller.agents.values())
			await agent.connect(controller.admin.url);
	}
});

test("cli: what is still in use is not deleted; a policy is", async () => {
	const inUse = await chainmail(["delete", "function", "firewall"]);
	assert.equal(inUse.status, 1);
	const [policy] = await json<{ name: string }[]>(["get", "policies"]);
	assert.ok(policy);
	const gone = await chainmail(["delete", "policy", policy.name]);
	assert.equal(gone.status, 0, gone.stderr);
	assert.match(gone.stdout, new RegExp(`policy/${policy.name} deleted`));
	const twice = await chainmail(["delete", "policy", policy.name]);
	assert.equal(twice.status, 4);
});
