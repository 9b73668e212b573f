/** Flows that go past nodes whose functions all let them pass. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Fleet } from "../../lab/fleet.js";
import { buildLab, type Lab } from "../../lab/lab.js";
import {
	lineAddresses as at,
	line,
	underlayAddress,
} from "../../lab/topologies/line.js";
import type { Topology } from "../../lab/topology.js";
import { startCapture } from "../../lab/traffic/capture.js";
import { iperf, startIperfServer } from "../../lab/traffic/iperf.js";
import {
	startUdpStream,
	type UdpStream,
} from "../../lab/traffic/udp-stream.js";
import type { NodeDocument } from "../../src/model/intent.js";
import { intentOf } from "../../src/plan/fixtures.js";

const PORT = 5000;
const MTU = 1600;
const FUNCTIONS = ["first", "second"] as const;

const ruleset = (verdict: string) => `table inet firewall {
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport ${PORT} ${verdict}
	}
}
`;

/** A farm of functions beside the gateway that users and server are at. */
const beside: Topology = {
	hosts: ["user", "gate", "farm", "server"],
	links: [
		{
			a: "user:eth0",
			b: "gate:acc",
			addresses: {
				a: [`${at.user}/24`, `${at.user6}/64`],
				b: [`${at.userGateway}/24`, "2001:db8:1::1/64"],
			},
		},
		{
			a: "gate:right",
			b: "farm:left",
			mtu: MTU,
			addresses: { a: ["192.0.2.1/30"], b: ["192.0.2.2/30"] },
		},
		{
			a: "gate:ext",
			b: "server:eth0",
			addresses: {
				a: [`${at.serverGateway}/24`, "2001:db8:203::1/64"],
				b: [`${at.server}/24`, `${at.server6}/64`],
			},
		},
	],
	routes: [
		{ host: "user", to: "default", via: at.userGateway },
		{ host: "user", to: "default6", via: "2001:db8:1::1" },
		{ host: "server", to: "default", via: at.serverGateway },
		{ host: "server", to: "default6", via: "2001:db8:203::1" },
	],
};

type Interfaces = NodeDocument["spec"]["interfaces"];
const ACCESS = { name: "acc", role: "access", tenant: "blue" } as const;
const EXIT = { name: "ext", role: "exit" } as const;
const LEFT = { name: "left", role: "underlay" } as const;
const RIGHT = { name: "right", role: "underlay" } as const;

interface Scene {
	readonly what: string;
	readonly topology: Topology;
	readonly nodes: Readonly<Record<string, Interfaces>>;
	readonly exit: string;
	/** Where the functions are. */
	readonly farm: string;
}

const scenes: readonly Scene[] = [
	{
		what: "a node on the way",
		topology: line(["in", "mid", "out"]),
		nodes: { in: [ACCESS, RIGHT], mid: [LEFT, RIGHT], out: [LEFT, EXIT] },
		exit: "out",
		farm: "mid",
	},
	{
		what: "a node beside the way",
		topology: beside,
		nodes: { gate: [ACCESS, RIGHT, EXIT], farm: [LEFT] },
		exit: "gate",
		farm: "farm",
	},
];

for (const { what, topology, nodes, exit, farm } of scenes)
	describe(what, () => {
		let lab: Lab;
		let fleet: Fleet;
		let file: string;
		before(async () => {
			lab = await buildLab(topology);
			file = `/tmp/chainmail-${lab.run}.nft`;
			lab.removeWithLab(file);
			writeFileSync(file, ruleset("accept"), { mode: 0o600 });
			fleet = await Fleet.open(
				lab,
				intentOf(
					{
						kind: "Tenant",
						name: "blue",
						spec: { subnets: ["10.0.1.0/24", "2001:db8:1::/64"], exit },
					},
					...Object.entries(nodes).map(
						([name, interfaces], i): NodeDocument => ({
							kind: "Node",
							name,
							spec: { underlay: underlayAddress(i), mtu: MTU, interfaces },
						}),
					),
					...FUNCTIONS.map((name) => ({
						kind: "Function" as const,
						name,
						spec: {
							attach: "routed" as const,
							runtime: "process" as const,
							ruleset: { file },
							instances: [{ name: "a", node: farm }],
						},
					})),
					{
						kind: "Policy",
						name: "all",
						spec: {
							tenant: "blue",
							rule: `match(proto={tcp, udp}) >> ${FUNCTIONS.join(" -> ")}`,
						},
					},
				),
			);
			await startIperfServer(lab.host("server"));
		});
		after(async () => {
			await fleet?.destroy();
			await lab?.destroy();
		});

		/** Packets that the farm has got from its underlay and was to handle itself. */
		const walked = () =>
			fleet
				.node(farm)
				.counters()
				.hops.filter(({ si }) => si === 253)
				.reduce((sum, { packets }) => sum + packets, 0);
		/** Those, and what has gone past it as far as it was told. */
		const counted = () =>
			fleet
				.node(farm)
				.counters()
				.hops.filter(({ si }) => si === 255)
				.reduce((sum, { packets }) => sum + packets, 0);

		/** Packets given to functions. */
		const given = () =>
			fleet
				.node(farm)
				.counters()
				.ports.reduce((sum, { toFunction }) => sum + toFunction.packets, 0);

		const stream = (): Promise<UdpStream> =>
			startUdpStream({
				from: lab.host("user"),
				to: lab.host("server"),
				address: at.server,
				port: PORT,
				rate: 2000,
				echo: true,
			});

		async function until(what: string, holds: () => boolean): Promise<void> {
			const deadline = Date.now() + 10_000;
			while (!holds()) {
				assert.ok(Date.now() < deadline, what);
				await delay(20);
			}
		}

		/** Waits until many packets go past the farm, and none through it. */
		async function passesBy(): Promise<void> {
			let [through, all] = [walked(), counted()];
			await until("packets go past it", () => {
				if (walked() !== through) [through, all] = [walked(), counted()];
				return counted() > all + 300;
			});
		}

		it("is passed by without loss, as if functions had seen every packet", async () => {
			const capture = await startCapture(
				lab.host("server"),
				"eth0",
				`udp dst port ${PORT} and ip[8] != ${64 - FUNCTIONS.length - 1}`,
			);
			const running = await stream();
			await passesBy();
			const { lost, lostBothWays } = await running.stop();
			assert.deepEqual([lost, lostBothWays], [0, 0]);
			assert.deepEqual(await capture.stop(), []);
		});

		it("is asked again when its rules change: none passes after the acknowledgement", async () => {
			const running = await stream();
			await passesBy();
			const applied = fleet.nextEvent("ruleset");
			writeFileSync(file, ruleset("drop"));
			await applied;
			const capture = await startCapture(
				lab.host("server"),
				"eth0",
				`udp dst port ${PORT}`,
			);
			const before = given();
			await until("its functions see it again", () => given() > before + 500);
			assert.deepEqual(await capture.stop(), []);
			await running.stop();
			const again = fleet.nextEvent("ruleset");
			writeFileSync(file, ruleset("accept"));
			await again;
		});

		for (const address of [at.server, at.server6])
			it(`is passed by with super-packets to ${address}`, async () => {
				const transfer = iperf({
					from: lab.host("user"),
					address,
					seconds: 3,
				});
				await passesBy();
				const { bytes } = await transfer;
				assert.ok(bytes > 50_000_000, `${bytes} bytes`);
			});
	});
