/** What users see of traffic: flows, counters and traces, and what these lack. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { FlowView, PathView } from "../../src/api/schemas.js";
import {
	documents,
	startTestController,
	type TestController,
} from "../../src/main/testing/network.js";
import type { FlowRecord } from "../../src/plan/protocol.js";
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
		if (question.what === "flows")
			return [
				{ ...flow, spi: path.spi },
				{ ...flow, sport: 40_001, spi: 9999 },
			];
		looks++;
		const counted = { packets: looks, bytes: looks * 100 };
		return {
			hops: hops.map(({ si }) => ({ spi: path.spi, si, ...counted })),
			ports: [],
			drops: [],
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

test("cli: an unknown tenant is an error, not an empty list", async () => {
	for (const kind of ["flows", "policies", "paths"]) {
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
	for (const noun of ["flows", "counters"]) {
		const { status, stderr, stdout } = await cli(`get ${noun} -o json`);
		assert.equal(status, 0);
		assert.ok(Array.isArray(JSON.parse(stdout)));
		assert.match(stderr, /^warning: node edge2: not connected: its/m, noun);
	}
	const doctor = await cli("doctor --node edge2");
	assert.match(doctor.stderr, /edge2 is not connected; .* from \d{4}-\d\d-/);
});
