/**
 * The audit of learned verdicts, by the command line alone: a real firewall whose
 * verdicts on real flows are listed, exported, forgotten, and hidden from others.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Installation } from "../../lab/installation.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { lineAddresses as at, line } from "../../lab/topologies/line.js";
import type { Topology } from "../../lab/topology.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import type {
	CountersView,
	EventView,
	FunctionView,
	StateView,
} from "../../src/api/schemas.js";

const OTHER = { address: "10.0.2.10", gateway: "10.0.2.1" };
const PASSED = 5000;
const BLOCKED = 5001;
const DEADLINE_MS = 20_000;

/** The line, and another tenant's user at the same node. */
function topology(): Topology {
	const base = line(["node"]);
	return {
		...base,
		hosts: [...base.hosts, "other"],
		links: [
			...base.links,
			{
				a: "other:eth0",
				b: "node:acc2",
				addresses: {
					a: [`${OTHER.address}/24`],
					b: [`${OTHER.gateway}/24`],
				},
			},
		],
		routes: [
			...(base.routes ?? []),
			{ host: "other", to: "default", via: OTHER.gateway },
		],
	};
}

/* Times so long that nothing is judged anew by itself while the test looks. */
const INTENT = `
kind: Tenant
name: blue
spec: { subnets: [10.0.1.0/24] }
---
kind: Tenant
name: red
spec: { subnets: [10.0.2.0/24] }
---
kind: Node
name: node
spec:
  interfaces:
    - { name: acc, role: access, tenant: blue }
    - { name: acc2, role: access, tenant: red }
    - { name: ext, role: exit }
---
kind: Function
name: firewall
spec:
  attach: routed
  runtime: process
  ruleset:
    text: |
      table inet f {
        chain c {
          type filter hook forward priority 0; policy accept;
          udp dport ${BLOCKED} drop
        }
      }
  learn:
    denyMs: 3600000
    revalidateMs: 3600000
    idleMs: { udp: 3600000 }
  instances:
    - { name: a, node: node }
---
kind: Policy
name: blue-udp
spec: { tenant: blue, rule: "match(proto=udp) >> firewall" }
---
kind: Policy
name: red-udp
spec: { tenant: red, rule: "match(proto=udp) >> firewall" }
`;

describe("the audit of verdicts", () => {
	let lab: Lab;
	let installation: Installation;
	let server: Datagrams;
	let blue: Datagrams;
	let red: Datagrams;

	before(async () => {
		lab = await buildLab(topology());
		installation = new Installation({
			lab,
			controller: { host: "node", address: at.userGateway },
			nodes: ["node"],
		});
		await installation.start();
		const file = join(installation.directory, "intent.yaml");
		writeFileSync(file, INTENT);
		await installation.expect(["apply", "-f", file]);
		await installation.until<FunctionView[]>(
			"the firewall is up",
			["get", "functions"],
			([one]) => one?.status.instances[0]?.state === "up",
		);
		server = await Datagrams.open(lab.host("server"), at.server, PASSED);
		blue = await Datagrams.open(lab.host("user"), at.user, 4000);
		red = await Datagrams.open(lab.host("other"), OTHER.address, 4000);
	});
	after(async () => lab?.destroy());

	/** A datagram that the server receives. */
	async function pass(from: Datagrams, text: string): Promise<void> {
		from.send(Buffer.from(text), at.server, PASSED);
		assert.equal(String((await server.next()).data), text);
	}

	const states = (...filter: string[]) =>
		installation.json<StateView[]>(["get", "states", ...filter]);

	/** Sends again and again until a state is as wanted. */
	async function stateWith(
		what: string,
		filter: readonly string[],
		send: () => Promise<void>,
	): Promise<StateView> {
		const deadline = Date.now() + DEADLINE_MS;
		for (;;) {
			await send();
			const [found, ...more] = await states(...filter);
			assert.deepEqual(more, []);
			if (found) return found;
			assert.ok(Date.now() < deadline, what);
		}
	}

	/** Packets that the firewall was given so far. */
	async function given(): Promise<number> {
		const all = await installation.json<CountersView[]>(["get", "counters"]);
		return all
			.flatMap(({ ports }) => ports)
			.reduce((sum, { toFunction }) => sum + toFunction.packets, 0);
	}

	/** Runs the command line with a tenant's token. */
	const tokens = new Map<string, string>();
	async function asTenant(tenant: string, argv: readonly string[]) {
		const known = tokens.get(tenant);
		const file = known ?? join(installation.directory, `${tenant}.json`);
		if (known === undefined) {
			const created = await installation.json<{ token: string }>(
				`token create ${tenant} --role tenant --tenant ${tenant}`.split(" "),
			);
			const admin = JSON.parse(readFileSync(installation.configFile, "utf8"));
			const own = { ...admin, token: created.token };
			writeFileSync(file, JSON.stringify(own), { mode: 0o600 });
			tokens.set(tenant, file);
		}
		return installation.cli(["--config", file, ...argv]);
	}

	it("shows who vouched for a flow, and what skipped the function since", async () => {
		for (const [tenant, user] of [
			["blue", blue],
			["red", red],
		] as const) {
			const filter = ["--tenant", tenant, "--verdict", "allow"];
			const found = await stateWith(`${tenant} is learned`, filter, () =>
				pass(user, `hello from ${tenant}`),
			);
			assert.deepEqual(
				[found.node, found.function, found.instance, found.side],
				["node", "firewall", "a", "outside"],
			);
			assert.deepEqual(
				[found.policy, found.proto, found.sport, found.dport],
				[`${tenant}-udp`, 17, 4000, PASSED],
			);
			assert.ok((found.vouchedMs ?? -1) >= 0);
		}
		const skipping = async () => {
			await pass(blue, "skips");
			await pass(blue, "skips too");
		};
		const deadline = Date.now() + DEADLINE_MS;
		const filter = ["--src", at.user, "--function", "firewall"];
		for (let skipped = 0; skipped === 0; ) {
			await skipping();
			const [found] = await states(...filter);
			skipped = found?.skipped ?? 0;
			assert.ok(Date.now() < deadline, "packets skip the function");
		}
	});

	it("shows what a function denies, and tells of it by counters and events", async () => {
		const denied = await stateWith(
			"the blocked flow is denied",
			["--verdict", "deny"],
			async () => {
				blue.send(Buffer.from("blocked"), at.server, BLOCKED);
				/* Silence is no verdict: it must be seen to pass something. */
				const fresh = await Datagrams.open(lab.host("user"), at.user, 0);
				await pass(fresh, "alive");
				await fresh.close();
			},
		);
		assert.deepEqual(
			[denied.tenant, denied.src, denied.dport, denied.returned],
			["blue", at.user, BLOCKED, 0],
		);
		assert.equal("vouchedMs" in denied, false);
		const [counters] = await installation.json<CountersView[]>([
			"get",
			"counters",
		]);
		const count = (what: string) =>
			counters?.verdicts.find((one) => one.what === what)?.count ?? 0;
		assert.ok(count("learned") >= 2 && count("denied") === 1);
		const blocked = `${at.user}:4000 > ${at.server}:${BLOCKED} `;
		await installation.until<EventView[]>(
			"both kinds of events are told",
			["get", "events"],
			(events) => {
				const told = (kind: string, text: string) =>
					events.some(
						({ kind: of, message }) =>
							of === kind &&
							message.includes(text) &&
							message.includes("by firewall/a"),
					);
				return told("denied", blocked) && told("learned", ":4000 > ");
			},
		);
	});

	it("exports them as CSV", async () => {
		const argv = ["get", "states", "--verdict", "deny", "--output", "csv"];
		const { stdout } = await installation.expect(argv);
		const [names, values, ...more] = stdout.trim().split("\n");
		assert.deepEqual(more, []);
		const fields = values?.split(",") ?? [];
		const read = new Map(names?.split(",").map((name, i) => [name, fields[i]]));
		assert.deepEqual(
			[read.get("function"), read.get("dport"), read.get("verdict")],
			["firewall", String(BLOCKED), "deny"],
		);
	});

	it("hides a tenant's flows from another", async () => {
		for (const [tenant, other] of [
			["blue", "red"],
			["red", "blue"],
		] as const) {
			for (const filter of [[], ["--tenant", tenant], ["--node", "node"]]) {
				const { stdout, stderr } = await asTenant(tenant, [
					...["get", "states", "--output", "json"],
					...filter,
				]);
				const seen = JSON.parse(stdout || "[]") as StateView[];
				assert.ok(seen.length > 0, stderr);
				assert.ok(seen.every((one) => one.tenant === tenant));
			}
			const asked = await asTenant(tenant, [
				"get",
				"states",
				"--tenant",
				other,
			]);
			assert.doesNotMatch(asked.stdout, new RegExp(`\\b${other}\\b`));
		}
		const refused = await asTenant("blue", [
			"function",
			"invalidate",
			"firewall",
		]);
		assert.equal(refused.status, 4, "the firewall is shared");
	});

	it("forgets on request: the flow's next packet goes through the function again", async () => {
		const before = await given();
		await pass(blue, "still skips");
		assert.equal(await given(), before);
		const { stdout } = await installation.expect([
			..."function invalidate firewall/a".split(" "),
		]);
		assert.equal(stdout, "firewall/a@node: forgotten\n");
		const all = await states();
		assert.ok(all.length >= 3);
		for (const one of all) assert.equal(one.verdict, "pending");
		await pass(blue, "judged anew");
		assert.equal(await given(), before + 1);
	});

	it("names a node that is away when it cannot forget", async () => {
		await installation.program("node").stop();
		await installation.until<{ status: { connected: boolean } }[]>(
			"the node is away",
			["get", "nodes"],
			([node]) => node?.status.connected === false,
		);
		const { status, stderr } = await installation.cli([
			..."function invalidate firewall".split(" "),
		]);
		assert.equal(status, 5);
		assert.match(stderr, /node node: not connected.*still holds/);
	});
});
