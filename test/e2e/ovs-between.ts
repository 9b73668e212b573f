/**
 * Chainmail nodes around an Open vSwitch (lab/topologies/ovs-between.ts), with
 * the chains that cross both, and traffic for them.
 */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLab, type Host, type Lab } from "../../lab/lab.js";
import {
	type Attachment,
	checksumsInSoftware,
	OvsNode,
} from "../../lab/ovs-nsh.js";
import {
	ovsBetweenAddresses as at,
	ovsBetween,
	UNDERLAY_MTU,
} from "../../lab/topologies/ovs-between.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import { curl } from "../../lab/traffic/http.js";
import { ping } from "../../lab/traffic/ping.js";
import { Node } from "../../src/agent/node.js";
import { links } from "../../src/kernel/ip.js";
import { NO_MEMORY } from "../../src/plan/allocate.js";
import { fn, intentOf, node, policy, tenant } from "../../src/plan/fixtures.js";
import type { PathSummary } from "../../src/plan/path.js";
import { plan } from "../../src/plan/plan.js";
import type { NodeState, PathState } from "../../src/plan/state.js";
import { eventually } from "./ovs-wires.js";

/** UDP port that the firewall blocks, one that it lets pass, and HTTP's. */
export const BLOCKED = 9;
const PASSED = 7000;
export const HTTP = 80;

/** OVS's own source address of the frames it delivers: a gateway to the hosts behind it. */
const GATEWAY_MAC = "02:00:00:00:00:fe";
const RULESET = (rule: string) => ({
	ruleset: {
		text: `table inet f {\n\tchain c {\n\t\ttype filter hook forward priority 0;\n\t\t${rule}\n\t}\n}\n`,
	},
});

const intent = intentOf(
	tenant("mobile", { subnets: ["10.1.0.0/24", "2001:db8:1::/64"] }),
	tenant("guest", { subnets: ["10.3.0.0/24"] }),
	...[
		node("edge1", 1, "access:mobile"),
		node("ovs", 2, "access:guest", "exit:guest"),
		node("edge2", 3, "exit:mobile"),
	].map((one) => ({ ...one, spec: { ...one.spec, mtu: UNDERLAY_MTU } })),
	fn("firewall", ["a@edge1"], RULESET(`udp dport ${BLOCKED} drop`)),
	fn("second", ["a@edge2"], RULESET("counter accept")),
	policy(
		"user",
		"match(dst=10.2.0.0/24 | dst=2001:db8:2::/64) >> firewall -> second",
		{ tenant: "mobile" },
	),
	policy("client", "match(dst=10.4.0.0/24) >> firewall -> second", {
		tenant: "guest",
	}),
);

/** From OVS through edge1 back to OVS: edge1 is between, without a function. */
export const TRANSIT: PathState = {
	spi: 60_001,
	reverseSpi: 60_001,
	direction: "forward",
	tenantId: 2,
	policy: "transit",
	length: 1,
	mtu: 1500,
	active: true,
	hops: [{ kind: "node", nodeId: 2 }, null],
};

export interface Between {
	readonly lab: Lab;
	readonly ovs: OvsNode;
	readonly edge1: Node;
	readonly edge2: Node;
	/** Of edge1 and edge2, as they run. */
	readonly states: readonly [NodeState, NodeState];
	/** The chains of the user (from edge1) and of the client (from OVS). */
	readonly user: PathSummary;
	readonly client: PathSummary;
	readonly behind: { readonly client: Attachment; readonly far: Attachment };
	close(): Promise<void>;
}

/** Builds all of it; only OVS's flows are left to the tests. */
export async function openBetween(): Promise<Between> {
	const lab = await buildLab(ovsBetween);
	const nodes: Node[] = [];
	const close = async () => {
		for (const one of nodes.splice(0)) await one.destroy();
		await lab.destroy();
	};
	try {
		const made = plan(intent, NO_MEMORY).plan;
		assert.deepEqual(made.problems, []);
		const [user, client] = ["user", "client"].map((name) =>
			made.paths.find((path) => path.policy === name),
		);
		assert.ok(user && client);
		const states = ["edge1", "edge2"].map((name) => {
			const state = made.states.get(name);
			assert.ok(state, name);
			return throughOvs(state);
		}) as [NodeState, NodeState];
		states[0] = { ...states[0], paths: [...states[0].paths, TRANSIT] };
		await Promise.all(
			["user", "server", "client", "far"].map((host) =>
				checksumsInSoftware(lab.host(host), "eth0"),
			),
		);
		lab.removeWithLab(`/sys/fs/bpf/cm${lab.run}`);
		for (const state of states) nodes.push(await startNode(lab, state));
		const ovs = await OvsNode.start(lab.host("ovs"), {
			underlay: ["edge1", "edge2"],
			address: `${at.ovs}/24`,
		});
		const behind = {
			client: await attach(lab, ovs, "client", "10.3.0.1"),
			far: await attach(lab, ovs, "far", "10.4.0.1"),
		};
		const [edge1, edge2] = nodes as [Node, Node];
		return { lab, ovs, edge1, edge2, states, user, client, behind, close };
	} catch (error) {
		await close();
		throw error;
	}
}

/**
 * The next forwarder on every way is OVS, whoever serves the hop behind it. It is
 * not asked what flows may pass by: it takes no notice of the O bit.
 */
function throughOvs(state: NodeState): NodeState {
	const peers = state.peers.map((peer) => ({ ...peer, underlay: at.ovs }));
	const paths = state.paths.map((path) => ({
		...path,
		hops: path.hops.map((hop) =>
			hop?.kind === "node" ? { kind: hop.kind, nodeId: hop.nodeId } : hop,
		),
	}));
	return { ...state, peers, paths };
}

async function startNode(lab: Lab, state: NodeState): Promise<Node> {
	const stateDir = mkdtempSync(join(tmpdir(), `cm${lab.run}-${state.node}-`));
	lab.removeWithLab(stateDir);
	const opened = await Node.open({
		prefix: `cm${lab.run}`,
		node: state.node,
		netns: lab.netns(state.node),
		stateDir,
	});
	try {
		await opened.apply(state);
	} catch (error) {
		await opened.destroy();
		throw error;
	}
	return opened;
}

async function attach(
	lab: Lab,
	ovs: OvsNode,
	name: string,
	gateway: string,
): Promise<Attachment> {
	const host = lab.host(name);
	const [own] = (await links(host.netns)).filter(
		({ ifname }) => ifname === "eth0",
	);
	assert.ok(own?.address);
	const neighbour = ["neigh", "add", gateway, "lladdr", GATEWAY_MAC];
	await host.must(["ip", ...neighbour, "dev", "eth0"]);
	return ovs.attach(name, own.address);
}

/** Every protocol there and back, and one datagram that the firewall blocks. */
export async function converse(
	[from, fromAddress]: readonly [Host, string],
	[to, toAddress]: readonly [Host, string],
	toAddress6?: string,
): Promise<void> {
	const [here, there] = await Promise.all([
		Datagrams.open(from, fromAddress, PASSED),
		Datagrams.open(to, toAddress, PASSED),
	]);
	here.send(Buffer.from("blocked"), toAddress, BLOCKED);
	here.send(Buffer.from("there"), toAddress, PASSED);
	const arrived = await there.next();
	assert.deepEqual(
		[arrived.from, arrived.port, arrived.data.toString()],
		[fromAddress, PASSED, "there"],
	);
	there.send(Buffer.from("and back"), fromAddress, PASSED);
	assert.equal((await here.next()).data.toString(), "and back");
	for (const address of [toAddress, toAddress6])
		if (address !== undefined) {
			const answers = await ping(from, address, { count: 5, interval: 0.01 });
			assert.equal(answers.received, 5, address);
		}
	const answer = await curl(from, `http://${toAddress}:${HTTP}/bytes/100000`);
	assert.deepEqual([answer.status, answer.bytes], [200, 100_000], answer.error);
	await Promise.all([here.close(), there.close()]);
}

/** Both nodes and OVS count the same packets, wherever they meet them. */
export async function assertCounters(
	{ edge1, edge2, ovs }: Between,
	{ spi, reverseSpi }: PathSummary,
	there: number,
	back: number,
	forwarded: readonly number[],
): Promise<void> {
	assert.deepEqual(
		{
			there: [hopPackets(edge1, spi), hopPackets(edge2, spi)],
			back: [hopPackets(edge2, reverseSpi), hopPackets(edge1, reverseSpi)],
		},
		{
			there: [
				{ 255: there + 1, 254: there },
				{ 254: there, 253: there },
			],
			back: [
				{ 255: back, 254: back },
				{ 254: back, 253: back },
			],
		},
	);
	await eventually(async () => {
		for (const si of forwarded) {
			assert.equal(await ovs.packets({ spi, si }), there);
			assert.equal(await ovs.packets({ spi: reverseSpi, si }), back);
		}
	});
}

/** Packets of a path by service index, as a node counted them. */
function hopPackets(from: Node, spi: number): Record<number, number> {
	return Object.fromEntries(
		from
			.counters()
			.hops.filter((hop) => hop.spi === spi)
			.map(({ si, packets }) => [si, packets]),
	);
}
