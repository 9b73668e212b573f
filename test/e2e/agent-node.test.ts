/** One node without a controller: traffic through a real firewall, end to end. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pinDirectory } from "../../src/agent/dataplane.js";
import { Node, type NodeOptions } from "../../src/agent/node.js";
import { purge } from "../../src/agent/purge.js";
import { links } from "../../src/kernel/ip.js";
import { listNetns } from "../../src/kernel/netns.js";
import { getSysctl } from "../../src/kernel/sysctl.js";
import { ANY_PACKET, type MaskedKey } from "../../src/model/packet.js";
import type {
	InstanceState,
	NodeState,
	PathState,
	RuleAction,
	RuleState,
} from "../../src/plan/state.js";
import { empty } from "../../src/plan/steps.js";
import { addressHex } from "../../src/wire/address.js";
import { Lab } from "./one-node.js";
import { instance } from "./runtimes.js";

const FULL = "f".repeat(32);
const to = (address: string): MaskedKey => ({
	...ANY_PACKET,
	family: address.includes(":") ? 6 : 4,
	dst: addressHex(address),
	dstMask: FULL,
});

const FIREWALL =
	"table inet f {\n\tchain c {\n\t\ttype filter hook forward priority 0;\n\t\ticmp type echo-request ip daddr 10.2.0.3 drop\n\t}\n}\n";

function path(
	spi: number,
	reverseSpi: number,
	ports: readonly number[],
	active = true,
): PathState {
	const direction = spi < reverseSpi ? "forward" : "reverse";
	const order = direction === "forward" ? ports : [...ports].reverse();
	return {
		spi,
		reverseSpi,
		direction,
		tenantId: 1,
		policy: "all",
		length: ports.length,
		mtu: 1500,
		active,
		hops: [
			...order.map((port) => ({ kind: "port", port }) as const),
			{ kind: "exit" },
		],
	};
}

function state(
	node: string,
	revision: number,
	instances: readonly InstanceState[],
	paths: readonly PathState[],
	spi: number,
): NodeState {
	return {
		...empty({ node, nodeId: 1, mtu: 1500 }),
		revision,
		tenants: [
			{
				id: 1,
				name: "t1",
				default: "forward",
				subnets: ["10.1.0.0/24", "2001:db8:1::/64"],
			},
		],
		interfaces: [
			{ name: "acc", vlan: 0, role: "access", tenantId: 1 },
			{ name: "ext", vlan: 0, role: "exit", tenantId: 0 },
		],
		instances,
		paths,
		ruleSets: [
			{
				tenantId: 1,
				side: "access",
				generation: revision,
				rules: [
					rule(
						3,
						"all",
						[to("10.2.0.2"), to("10.2.0.3"), to("2001:db8:2::2")],
						{
							kind: "chain",
							slots: Array.from({ length: 251 }, () => spi),
						},
					),
					rule(2, "no", [to("10.2.0.4")], { kind: "drop" }),
					rule(1, "yes", [to("10.2.0.5")], { kind: "pass" }),
				],
			},
		],
	};
}

function rule(
	rank: number,
	policy: string,
	keys: readonly MaskedKey[],
	action: RuleAction,
): RuleState {
	return { policy, policyId: rank, rank, keep: false, keys, action };
}

describe("node", () => {
	const lab = new Lab();
	const options = (): NodeOptions => ({
		prefix: lab.prefix,
		node: "n",
		netns: lab.node,
		stateDir: lab.directory,
		onStep: async () => onStep(),
	});
	let onStep = async () => {};
	let node: Node;
	const fw = (name: string, port: number, spec = {}) =>
		instance("routed", { ruleset: { text: FIREWALL }, ...spec }, [port], name);
	const one = () =>
		state("n", 1, [fw("a", 1)], [path(1, 2, [1]), path(2, 1, [1])], 1);
	const two = (revision: number) =>
		state(
			"n",
			revision,
			[fw("a", 1), fw("b", 2)],
			[
				path(1, 2, [1], false),
				path(2, 1, [1], false),
				path(3, 4, [1, 2]),
				path(4, 3, [1, 2]),
			],
			3,
		);
	const hopsOf = (spi: number) =>
		node
			.counters()
			.hops.filter((hop) => hop.spi === spi)
			.map(({ si, packets }) => [si, packets]);

	before(async () => {
		await lab.open();
		node = await Node.open(options());
	});
	after(async () => {
		await purge(options()).catch(() => {});
		await lab.close();
	});

	it("steers through the firewall and back, and the firewall blocks", async () => {
		await node.apply(one());
		assert.equal(await lab.ping("10.2.0.2"), 3);
		assert.deepEqual(hopsOf(1), [
			[255, 3],
			[254, 3],
		]);
		assert.deepEqual(hopsOf(2), [
			[255, 3],
			[254, 3],
		]);
		assert.equal(
			await lab.ping("2001:db8:2::2"),
			3,
			JSON.stringify(node.counters()),
		);
		assert.equal(await lab.ping("10.2.0.3", 2), 0, "blocked");
		assert.deepEqual(hopsOf(1), [
			[255, 8],
			[254, 6],
		]);
	});

	it("tells flows by filter, with their policy and path", async () => {
		const [flow, ...more] = await node.flows({ dst: "10.2.0.2", limit: 10 });
		assert.deepEqual(more, []);
		assert.equal(flow?.src, "10.1.0.2");
		assert.deepEqual(
			[flow?.kind, flow?.tenant, flow?.policy, flow?.spi, flow?.packets],
			["classified", "t1", "all", 1, 3],
		);
		assert.deepEqual(await node.flows({ dst: "10.9.9.9", limit: 10 }), []);
		const [back] = await node.flows({ src: "10.2.0.2", limit: 10 });
		assert.equal(back?.kind, "learned");
	});

	it("tells of flows that take no path what becomes of them", async () => {
		await lab.ping("10.2.0.4", 1);
		await lab.ping("10.2.0.5", 1);
		const told = await Promise.all(
			["10.2.0.2", "10.2.0.4", "10.2.0.5"].map((dst) =>
				node.flows({ dst, limit: 10 }),
			),
		);
		assert.deepEqual(
			told.map(([flow]) => [flow?.policy, flow?.action, flow?.spi]),
			[
				["all", "chain", 1],
				["no", "drop", undefined],
				["yes", "pass", undefined],
			],
		);
	});

	it("applies the same state again without a write that traffic could see", async () => {
		const before = hopsOf(1);
		await node.apply(one());
		assert.deepEqual(hopsOf(1), before);
	});

	it("refuses a broken ruleset and everything stays as it was", async () => {
		const broken = state(
			"n",
			9,
			[fw("a", 1, { ruleset: { text: "nonsense" } })],
			one().paths,
			1,
		);
		await assert.rejects(node.apply(broken), /ruleset text: line 1/);
		assert.equal(node.state.revision, 1);
		assert.equal(await lab.ping("10.2.0.2"), 3);
	});

	it("changes the chain while packets pass, and loses none after any step", async () => {
		let steps = 0;
		onStep = async () => {
			steps++;
			assert.equal(await lab.ping("10.2.0.2", 1), 1, `after step ${steps}`);
		};
		const pings = lab.ping("10.2.0.2", 200, "0.005");
		await node.apply(two(2));
		await node.apply({
			...two(3),
			paths: two(3).paths.filter((one) => one.active),
		});
		onStep = async () => {};
		assert.equal(await pings, 200);
		assert.ok(steps > 10);
		assert.deepEqual(hopsOf(1), []);
		assert.ok((hopsOf(3)[2]?.[1] ?? 0) >= 3);
	});

	it("tells how long a draining path has been idle", async () => {
		await node.apply(two(4));
		node.status();
		await delay(20);
		const idle = node.status().idlePaths;
		assert.deepEqual(
			idle.map(({ spi }) => spi),
			[1, 2],
		);
		assert.ok((idle[0]?.idleMs ?? 0) >= 15);
	});

	it("traffic flows without the agent, and the next one adopts it without a gap", async () => {
		const pings = lab.ping("10.2.0.2", 200, "0.005");
		await node.close();
		assert.equal(await lab.ping("10.2.0.2"), 3);
		node = await Node.open(options());
		assert.equal(node.state.revision, 4);
		assert.equal(await pings, 200);
	});

	it("a second agent for the same node is refused", async () => {
		await assert.rejects(Node.open(options()), /the agent with pid \d+ has it/);
	});

	it("health: a probe comes through the function; a firewall that blocks it is down", async () => {
		const probed = (block: string) =>
			fw("a", 1, {
				probe: { proto: "udp", dport: 7, intervalMs: 10, misses: 3 },
				ruleset: {
					text: `table inet f {\n\tchain c {\n\t\ttype filter hook forward priority 0;\n\t\t${block}\n\t}\n}\n`,
				},
			});
		const health = () =>
			node.status().instances.find((one) => one.instance === "a");
		const until = async (wanted: string) => {
			for (
				const end = Date.now() + 3000;
				health()?.state !== wanted;
				await delay(5)
			)
				assert.ok(Date.now() < end, JSON.stringify(health()));
		};
		await node.apply(
			state("n", 5, [probed("accept")], [path(1, 2, [1]), path(2, 1, [1])], 1),
		);
		await until("up");
		assert.equal(health()?.reason, "probe");
		await node.apply(
			state(
				"n",
				6,
				[probed("udp dport 7 drop")],
				[path(1, 2, [1]), path(2, 1, [1])],
				1,
			),
		);
		await until("down");
		await node.apply(
			state("n", 7, [probed("accept")], [path(1, 2, [1]), path(2, 1, [1])], 1),
		);
		await until("up");
		assert.ok((health()?.probeUs ?? 0) > 0);
	});

	it("leaves nothing behind when destroyed", async () => {
		await node.destroy();
		assert.ok(!existsSync(pinDirectory(lab.prefix, "n")));
		assert.deepEqual(
			listNetns().filter((name) => name.startsWith(`${lab.prefix}-n.`)),
			[],
		);
		assert.deepEqual(
			(await links(lab.node)).map((link) => link.ifname).sort(),
			["acc", "ext", "lo"],
		);
		assert.equal(getSysctl("ipv4/ip_forward", lab.node), "0");
		assert.ok(!existsSync(join(lab.directory, "state.json")));
	});
});
