/** `chainmail function drain` as a user runs it: it waits, tells, and ends. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { FakeAgent } from "../../src/main/testing/fake-agent.js";
import {
	documents,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import { idle } from "../../src/main/testing/rollout.js";
import { chainmail, type Outcome } from "./command-line.js";

let controller: TestController;
let agents: FakeAgent[];

before(async () => {
	controller = await startTestController();
	agents = [await controller.agent("edge1"), await controller.agent("edge2")];
	await controller.admin.apply(documents);
	idle(0, ...agents);
});
after(() => controller.close());

function cli(line: string): Promise<Outcome> {
	const config = join(controller.dataDir, "admin.json");
	return chainmail(line.split(" "), { config });
}

test("drain: when the time is up, it says what is left; it can be waited for again", async () => {
	const begun = await cli("function drain firewall/fw1 --timeout 0s");
	assert.equal(begun.status, 0, begun.stderr);
	assert.equal(begun.stdout, "firewall/fw1: no new flows\n");
	const late = await cli("function drain firewall/fw1 --timeout 200ms");
	assert.equal(late.status, 5);
	assert.match(late.stderr, /^firewall\/fw1: \d+ paths? left, in use$/m);
	assert.match(late.stderr, /left \(its flows may go on; repeat/);
	const { stdout } = await cli("get functions");
	assert.match(stdout, / fw1 +edge1 +\w+, draining /);
	const waiting = cli("function drain firewall/fw1 -o json");
	idle(60_000, ...agents);
	const { status, stderr, stdout: said } = await waiting;
	assert.equal(status, 0, stderr);
	assert.deepEqual(JSON.parse(said), {
		function: "firewall",
		instance: "fw1",
		paths: 0,
	});
	const { stdout: events } = await cli("get events");
	assert.match(events, /firewall\/fw1 gets no new flows/);
});

test("drain: undone in the middle, the one that waits is told", async () => {
	idle(0, ...agents);
	assert.equal((await cli("function undrain firewall/fw1")).status, 0);
	const waiting = cli("function drain firewall/fw2");
	let isLeft = false;
	while (!isLeft) {
		const { body } = await controller.admin.get("/v1/functions/firewall");
		isLeft = body.status.instances.some(
			(one: { draining?: object }) => one.draining,
		);
	}
	const undone = await cli("function undrain firewall/fw2");
	assert.equal(undone.stdout, "firewall/fw2: gets new flows again\n");
	const { status, stderr } = await waiting;
	assert.equal(status, 1);
	assert.match(stderr, /somebody undrained it meanwhile/);
});

test("drain: wrong words are told, each with a way out", async () => {
	const rows: [string, number, RegExp][] = [
		["function drain firewall", 2, /an instance as in firewall\/a/],
		["function drain firewall/a/b", 2, /firewall\/a/],
		["function drain nope/a", 4, /none of that name/],
		["function drain firewall/nope", 4, /none of that name/],
		["function undrain firewall/nope", 4, /none of that name/],
		["function drain ids/ids1", 1, /no other instance of ids.*declare one/],
		["function drain firewall/fw1 --timeout soon", 2, /a time such as/],
	];
	for (const [line, wanted, message] of rows) {
		const { status, stderr } = await cli(line);
		assert.equal(status, wanted, `${line}: ${stderr}`);
		assert.match(stderr, message);
	}
});
