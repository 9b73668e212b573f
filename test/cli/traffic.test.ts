/** What users see of traffic: flows, counters and traces, and what these lack. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { FlowView, PathView } from "../../src/api/schemas.js";
import { NO_COUNTERS } from "../../src/main/testing/fake-agent.js";
import {
	documents,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import type {
	AgentRequest,
	FlowRecord,
	StateRecord,
} from "../../src/plan/protocol.js";
import { chainmail, type Outcome } from "./command-line.js";

let controller: TestController;
let path: PathView;
/** What edge1 counts at each look: a packet more. */
let looks = 0;

const flow: FlowRecord = {
	kind: "classified",
	tenant: "acme",
	src: "10.0.1.5",
	dst: "198.51.100.9",
	proto: 6,
	sport: 40_000,
	dport: 80,
	action: "chain",
	policy: "web",
	packets: 5,
	bytes: 500,
	ageMs: 1000,
	idleMs: 10,
};
const state: StateRecord = {
	function: "firewall",
	instance: "fw1",
	port: 1,
	side: "outside",
	tenant: "acme",
	policy: "web",
	spi: 1,
	src: "10.0.1.5",
	dst: "198.51.100.9",
	proto: 6,
	sport: 40_000,
	dport: 80,
	verdict: "rewrite",
	rewritten: {
		src: "192.0.2.7",
		dst: "198.51.100.9",
		sport: 61_000,
		dport: 80,
	},
	ageMs: 60_000,
	idleMs: 10,
	vouchedMs: 5000,
	delivered: 3,
	returned: 3,
	skipped: 1234,
	skippedBytes: 1_234_000,
};
/** What edge1 was asked last. */
let asked: AgentRequest;
const packet =
	"trace --tenant acme --src 10.0.1.5 --dst 198.51.100.9 --proto tcp --dport 80";

before(async () => {
	controller = await startTestController();
	const edge1 = await controller.agent("edge1");
	await controller.agent("edge2");
	await controller.admin.apply(documents);
	const { body } = await controller.admin.get("/v1/paths");
	path = (body.items as PathView[]).find(
		(one) => one.policy === "web" && one.direction === "forward",
	) as PathView;
	const hops = path.hops.filter(({ node }) => node === "edge1");
	edge1.answer = (question) => {
		asked = question;
		if (question.what === "states") return [state];
		if (question.what === "invalidate") return ["fw1"];
		if (question.what === "flows")
			return [
				{ ...flow, spi: path.spi },
				{ ...flow, sport: 40_001, spi: 9999 },
			];
		looks++;
		const counted = { packets: looks, bytes: looks * 100 };
		return {
			...NO_COUNTERS,
			hops: hops.map(({ si }) => ({ spi: path.spi, si, ...counted })),
		};
	};
});
after(() => controller.close());

function cli(line: string): Promise<Outcome> {
	const config = join(controller.dataDir, "admin.json");
	return chainmail(line.split(" "), { config });
}

test("cli: a flow whose path is gone is marked", async () => {
	const { stdout } = await cli("get flows");
	assert.match(stdout, new RegExp(` ${path.spi} +5 `));
	assert.match(stdout, / 9999 \(old\) +5 /);
	const items = JSON.parse((await cli("get flows -o json")).stdout);
	assert.deepEqual(
		(items as FlowView[]).map((one) => one.old),
		[undefined, true],
	);
});

test("cli: states in every form, picked by what was asked for", async () => {
	const line =
		"get states --function firewall --instance fw1 --node edge1 --verdict rewrite --dst 198.51.100.0/24 --limit 7";
	const { stdout, stderr, status } = await cli(line);
	assert.equal(status, 0, stderr);
	assert.match(
		stdout,
		/^edge1 +firewall\/fw1 +acme +tcp +10\.0\.1\.5:40000 +198\.51\.100\.9:80 +rewrite +192\.0\.2\.7:61000 > 198\.51\.100\.9:80 +3 +1234 +1\.2 MB +5s ago +10ms$/m,
	);
	assert.deepEqual(asked, {
		what: "states",
		filter: {
			function: "firewall",
			instance: "fw1",
			verdict: "rewrite",
			dst: "198.51.100.0/24",
			limit: 7,
		},
	});
	assert.equal(stderr, "");
	const one = await cli("get states --limit 1");
	assert.match(one.stderr, /^warning: there may be more than these 1 /m);
	const told = { node: "edge1", ...state };
	const json = await cli("get states -o json");
	assert.deepEqual(JSON.parse(json.stdout), [told]);
	const csv = await cli("get states -o csv");
	const [names, values, ...more] = csv.stdout.trim().split("\n");
	assert.deepEqual(more, []);
	const fields = values?.split(",");
	const read = new Map(names?.split(",").map((name, i) => [name, fields?.[i]]));
	assert.deepEqual(
		[read.get("node"), read.get("verdict"), read.get("rewritten.sport")],
		["edge1", "rewrite", "61000"],
	);
	assert.equal(read.get("skippedBytes"), "1234000");
});

test("cli: wrong words about states are told, each with a way out", async () => {
	const rows: [string, number, RegExp][] = [
		["get states --node nope", 4, /no node nope/],
		["get states --tenant nope", 4, /known: acme, blue/],
		["get states --verdict maybe", 2, /pending, allow, rewrite, deny/],
		["get states --src nonsense", 1, /no address or prefix/],
		["get states firewall", 2, /use --tenant.*--verdict/],
		["get nodes --verdict deny", 2, /it goes with states/],
		["get states --watch -o csv", 2, /leave out --watch/],
		["describe node edge1 -o csv", 2, /csv is for lists/],
		["function invalidate nope", 4, /none of that name/],
		["function invalidate firewall/nope", 4, /known: fw1, fw2/],
		["function invalidate firewall/a/b", 2, /firewall\/a/],
	];
	for (const [line, wanted, message] of rows) {
		const { status, stderr } = await cli(line);
		assert.equal(status, wanted, `${line}: ${stderr}`);
		assert.match(stderr, message);
	}
});

test("cli: invalidate ends when nodes have forgotten", async () => {
	const { status, stdout, stderr } = await cli(
		"function invalidate firewall/fw1",
	);
	assert.equal(status, 0, stderr);
	assert.equal(stdout, "firewall/fw1@edge1: forgotten\n");
	assert.deepEqual(asked, {
		what: "invalidate",
		function: "firewall",
		instance: "fw1",
	});
	const { stdout: events } = await cli("get events");
	assert.match(events, /invalidate .*verdicts of firewall\/fw1 forgotten/);
});

test("cli: an unknown tenant is an error, not an empty list", async () => {
	for (const kind of ["flows", "states", "policies", "paths"]) {
		const { status, stderr } = await cli(`get ${kind} --tenant nope`);
		assert.equal(status, 4, kind);
		assert.match(stderr, /tenant `nope`: not found \(known: acme, blue\)/);
	}
	const token = await cli("token create t1 --role tenant --tenant nope");
	assert.equal(token.status, 4);
	assert.match(token.stderr, /^token: there is no tenant nope \([^()]*\)$/m);
});

test("cli: errors carry one hint, and nothing of HTTP", async () => {
	for (const line of [
		"get flows --src nonsense",
		"describe node edge9",
		"delete policy nope",
		"token create BAD --role admin",
		`${packet} --icmp-type echo-request`,
		packet.replace("--dport 80", "--node edge9"),
	]) {
		const { stderr } = await cli(line);
		assert.doesNotMatch(stderr, /GET|POST|DELETE|\/v1|openapi|schema/, line);
		assert.ok(stderr.split("(").length <= 2, `one hint: ${stderr}`);
		assert.notEqual(stderr, "", line);
	}
});

test("cli: trace takes names as policies do, and leaves functions their say", async () => {
	const named = await cli(`${packet} --dscp ef`);
	assert.equal(named.status, 0, named.stderr);
	assert.match(named.stdout, /firewall.*goes on if firewall lets it pass/);
	assert.match(named.stdout, /goes on if every function lets it pass/);
	const echo = packet.replace(
		"--proto tcp --dport 80",
		"--proto icmp --icmp-type echo-request",
	);
	assert.equal((await cli(echo)).status, 0);
});

test("cli: trace --live shows what the hops counted since the look before", async () => {
	const { status, stdout, stderr } = await cli(`${packet} --live --count 2`);
	assert.equal(status, 0, stderr);
	const line = new RegExp(`^path ${path.spi} forward: (.*)$`, "gm");
	const [first, second] = [...stdout.matchAll(line)].map(([, hops]) => hops);
	assert.match(first ?? "", /^firewall\/fw1@edge1 \d+ > /);
	assert.match(second ?? "", /^firewall\/fw1@edge1 \d+ \(\+[1-9]\d*\) > /);
	assert.doesNotMatch(stdout, /\(old\)/);
});

test("cli: what a node that is away would add is not passed over in silence", async () => {
	await controller.agents.get("edge2")?.leave();
	const invalidated = await cli("function invalidate firewall -o json");
	assert.equal(invalidated.status, 5, invalidated.stderr);
	assert.match(invalidated.stderr, /edge2: not connected.*repeat it/);
	assert.equal(JSON.parse(invalidated.stdout).missing[0].node, "edge2");
	for (const noun of ["flows", "states", "counters"]) {
		const { status, stderr, stdout } = await cli(`get ${noun} -o json`);
		assert.equal(status, 0);
		assert.ok(Array.isArray(JSON.parse(stdout)));
		assert.match(stderr, /^warning: node edge2: not connected: its/m, noun);
	}
	const doctor = await cli("doctor --node edge2");
	assert.match(doctor.stderr, /edge2 is not connected; .* from \d{4}-\d\d-/);
});
