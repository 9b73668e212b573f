/** What users see of changes that nodes refuse, cannot check, or get later. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
	documents,
	policy,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import { chainmail, type Outcome, yaml } from "./command-line.js";

const BROKEN =
	"function firewall (instance fw2): ruleset text: line 3: syntax error (try it)";
const firewall = [
	"kind: Function",
	"name: firewall",
	"spec:",
	"  attach: routed",
	"  runtime: process",
	"  ruleset:",
	"    text: |",
	"      table inet filter {",
	"        # the next line is broken",
	"        nonsense",
	"      }",
	"  instances:",
	"    - { name: fw1, node: edge1 }",
	"    - { name: fw2, node: edge2 }",
	"",
].join("\n");

let controller: TestController;

before(async () => {
	controller = await startTestController();
	await controller.agent("edge1");
	await controller.agent("edge2");
	await controller.admin.apply(documents);
});
after(() => controller.close());

function cli(line: string, input = ""): Promise<Outcome> {
	const config = join(controller.dataDir, "admin.json");
	return chainmail(line.split(" "), { input, config });
}

function agent(node: string) {
	const found = controller.agents.get(node);
	assert.ok(found);
	return found;
}

/** As a compiler would say it: file, line, the line itself, and whose it is. */
function assertLocated({ status, stderr }: Outcome): void {
	assert.equal(status, 1, stderr);
	assert.match(stderr, /^<stdin>:10:9: error: node edge2: function firewall/);
	assert.match(stderr, /\(instance fw2\): ruleset text: line 3: syntax error/);
	assert.match(stderr, /^ {10}nonsense\n {10}\^~{7}$/m);
	assert.match(stderr, /nothing has changed/);
}

test("cli: a dry run asks the nodes, and says what they would refuse", async () => {
	const edge2 = agent("edge2");
	const { answer } = edge2;
	const asked: unknown[] = [];
	edge2.answer = (question) => {
		if (question.what !== "check") return answer(question);
		asked.push(...question.instances.map((one) => one.instance));
		return [BROKEN];
	};
	try {
		assertLocated(await cli("apply -f - --dry-run", firewall));
		assert.deepEqual(asked, ["fw2"], "what changes there, and no more");
	} finally {
		edge2.answer = answer;
	}
	const good = await cli("apply -f - --dry-run", firewall);
	assert.equal(good.status, 0, good.stderr);
	assert.equal(good.stderr, "");
});

test("cli: a refusal stands at its place, and in the list of nodes", async () => {
	const edge2 = agent("edge2");
	edge2.react = (state) =>
		JSON.stringify(state).includes("nonsense") ? { refuse: BROKEN } : "ack";
	try {
		assertLocated(await cli("apply -f -", firewall));
	} finally {
		edge2.react = () => "ack";
	}
	const nodes = await cli("get nodes");
	assert.match(
		nodes.stdout,
		/edge2 .*refused the newest change: function firewall \(instance fw2\)/,
	);
	await controller.admin.apply([policy("x", "acme", "match(*) >> drop")]);
	assert.doesNotMatch((await cli("get nodes")).stdout, /refused/);
});

test("cli: what is not connected cannot check, and confirms later: status 5", async () => {
	const edge2 = agent("edge2");
	await edge2.leave();
	const quiet = await cli("apply -f -", yaml([documents[0]]));
	assert.equal(quiet.status, 0, "the node has all there is");
	const changed = firewall.replace("nonsense", "");
	const dry = await cli("apply -f - --dry-run", changed);
	assert.equal(dry.status, 0, dry.stderr);
	assert.match(dry.stderr, /warning: node edge2: not connected .*not checked/);
	const stored = await cli("apply -f -", changed);
	assert.equal(stored.status, 5, stored.stderr);
	assert.match(stored.stdout, /function\/firewall changed/);
	assert.match(stored.stderr, /is stored, but .*not connected: edge2/);
	await edge2.connect(controller.admin.url);
	const again = await cli("apply -f - --wait", changed);
	assert.equal(again.status, 0, again.stderr);
});

test("cli: delete --dry-run says what would go, and changes nothing", async () => {
	const dry = await cli("delete policy web --dry-run");
	assert.equal(dry.status, 0, dry.stderr);
	assert.match(dry.stdout, /policy\/web deleted\ndry run: nothing has changed/);
	assert.equal((await cli("get policy web")).status, 0);
	const inUse = await cli("delete function firewall --dry-run");
	assert.equal(inUse.status, 1);
	assert.match(inUse.stderr, /policy web/i);
});
