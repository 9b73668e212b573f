/** Real functions that real flows skip once their verdict is known. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Fleet } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import { lineAddresses as at, line } from "../../lab/topologies/line.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { iperf, startIperfServer } from "../../lab/traffic/iperf.js";
import {
	startTcpRequests,
	startTcpServer,
} from "../../lab/traffic/tcp-requests.js";
import type { FunctionDocument } from "../../src/model/intent.js";
import { intentOf } from "../../src/plan/fixtures.js";

const PUBLIC = "203.0.113.50";
const PUBLIC6 = "2001:db8:203::50";

function intent(spec: Partial<FunctionDocument["spec"]>) {
	return intentOf(
		{
			kind: "Tenant",
			name: "blue",
			spec: { subnets: ["10.0.1.0/24", "2001:db8:1::/64"], exit: "node" },
		},
		{
			kind: "Node",
			name: "node",
			spec: {
				interfaces: [
					{ name: "acc", role: "access", tenant: "blue" },
					{ name: "ext", role: "exit" },
				],
			},
		},
		{
			kind: "Function",
			name: "fn",
			spec: {
				attach: "routed",
				runtime: "process",
				instances: [{ name: "a", node: "node" }],
				...spec,
			},
		},
		{
			kind: "Policy",
			name: "all",
			spec: {
				tenant: "blue",
				rule: "match(proto={tcp, udp, icmp, icmpv6}) >> fn",
			},
		},
	);
}

class Skipping {
	constructor(
		readonly lab: Lab,
		readonly fleet: Fleet,
	) {}

	static async open(
		spec: (lab: Lab) => Partial<FunctionDocument["spec"]>,
	): Promise<Skipping> {
		const lab = await buildLab(line(["node"]));
		return new Skipping(lab, await Fleet.open(lab, intent(spec(lab))));
	}

	/** Packets given to the function so far, from either side. */
	given(): number {
		return this.fleet
			.node("node")
			.counters()
			.ports.reduce((sum, { toFunction }) => sum + toFunction.packets, 0);
	}

	async close(): Promise<void> {
		await this.fleet.destroy();
		await this.lab.destroy();
	}
}

/** A question to the server, and its answer; undefined: none came in time. */
async function echo(
	{ lab }: Skipping,
	from: Datagrams,
	text: string,
	timeoutMs = 1000,
): Promise<string | undefined> {
	const server = await servers(lab);
	from.send(Buffer.from(text), at.server, 5000);
	const asked = await within(server.next(), timeoutMs);
	if (!asked) return undefined;
	server.send(Buffer.from(`re: ${asked.data}`), asked.from, asked.port);
	return (await within(from.next(), timeoutMs))?.data.toString();
}

const open = new Map<string, Promise<Datagrams>>();
function servers(lab: Lab): Promise<Datagrams> {
	const known =
		open.get(lab.run) ?? Datagrams.open(lab.host("server"), at.server, 5000);
	open.set(lab.run, known);
	return known;
}

function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
	return Promise.race([promise, delay(ms, undefined)]);
}

describe("a firewall whose verdict is learned", () => {
	let here: Skipping;
	let file: string;
	const ruleset = (verdict: string) =>
		`table inet f {\n chain c {\n  type filter hook forward priority 0; policy accept;\n  udp dport 5000 ${verdict}\n  ct state established,related accept\n }\n}\n`;
	before(async () => {
		here = await Skipping.open((lab) => {
			file = `/tmp/chainmail-${lab.run}.nft`;
			lab.removeWithLab(file);
			writeFileSync(file, ruleset("accept"), { mode: 0o600 });
			return { ruleset: { file } };
		});
	});
	after(() => here?.close());

	it("sees the head of a flow, and is skipped by the rest", async () => {
		await startIperfServer(here.lab.host("server"));
		const { bytes } = await iperf({
			from: here.lab.host("user"),
			address: at.server,
			seconds: 1,
		});
		assert.ok(bytes > 10_000_000);
		assert.ok(here.given() < 60, `it was given ${here.given()} packets`);
	});

	it("has its new rules take effect on running flows", async () => {
		const user = await Datagrams.open(here.lab.host("user"), at.user, 4000);
		for (const text of ["one", "two", "three"])
			assert.equal(await echo(here, user, text), `re: ${text}`);
		const given = here.given();
		assert.equal(await echo(here, user, "skips"), "re: skips");
		assert.equal(here.given(), given);
		const applied = here.fleet.nextEvent("ruleset");
		writeFileSync(file, ruleset("drop"));
		await applied;
		assert.equal(await echo(here, user, "dropped", 300), undefined);
		const again = here.fleet.nextEvent("ruleset");
		writeFileSync(file, ruleset("accept"));
		await again;
		const deadline = Date.now() + 5000;
		while ((await echo(here, user, "retried", 300)) === undefined)
			assert.ok(Date.now() < deadline, "the flow passes again");
	});
});

describe("a NAT whose translation is learned", () => {
	let here: Skipping;
	before(async () => {
		const nat = (family: string, to: string) =>
			`table ${family} nat {\n chain c {\n  type nat hook postrouting priority srcnat;\n  oifname "outside*" snat to ${to}\n }\n}\n`;
		here = await Skipping.open(() => ({
			rewrites: true,
			addresses: [`${PUBLIC}/32`, `${PUBLIC6}/128`],
			ruleset: { text: nat("ip", PUBLIC) + nat("ip6", PUBLIC6) },
		}));
		const server = here.lab.host("server");
		await server.must(["ip", "route", "add", PUBLIC, "via", at.serverGateway]);
		await server.must([
			"ip",
			"route",
			"add",
			PUBLIC6,
			"via",
			"2001:db8:203::1",
		]);
	});
	after(() => here?.close());

	for (const address of [at.server, at.server6])
		it(`carries connections to ${address}, most of each past it`, async () => {
			await startTcpServer(here.lab.host("server"), address, 7000);
			const connect = async (options: object) =>
				(
					await startTcpRequests({
						from: here.lab.host("user"),
						address,
						port: 7000,
						...options,
					})
				).finished();
			const many = await connect({ count: 500, newConnections: true });
			assert.deepEqual([many.answered, many.failed], [500, 0]);
			const before = here.given();
			const one = await connect({ count: 2000 });
			assert.deepEqual([one.answered, one.failed], [2000, 0]);
			const given = here.given() - before;
			assert.ok(given < 200, `it was given ${given} packets of some 4,000`);
		});

	it("shows the server the translated address alone", async () => {
		const user = await Datagrams.open(here.lab.host("user"), at.user, 4001);
		const server = await servers(here.lab);
		for (let i = 0; i < 5; i++) {
			user.send(Buffer.from(`n${i}`), at.server, 5000);
			const { from, port, data } = await server.next();
			assert.deepEqual([from, String(data)], [PUBLIC, `n${i}`]);
			server.send(Buffer.from(`a${i}`), from, port);
			assert.equal(String((await user.next()).data), `a${i}`);
		}
	});
});
