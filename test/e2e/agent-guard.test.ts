/** What no program has judged goes nowhere, whatever of a node is up or fails. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pinDirectory } from "../../src/agent/dataplane.js";
import { Node, type NodeOptions } from "../../src/agent/node.js";
import { purge } from "../../src/agent/purge.js";
import { namespaceName } from "../../src/functions/names.js";
import { attachedTag } from "../../src/kernel/attach.js";
import { ensureAddress, ensureVeth, links } from "../../src/kernel/ip.js";
import { deleteNetns, ifindexOf } from "../../src/kernel/netns.js";
import { run } from "../../src/kernel/process.js";
import { getSysctl } from "../../src/kernel/sysctl.js";
import { ANY_PACKET } from "../../src/model/packet.js";
import type { NodeEvent } from "../../src/plan/protocol.js";
import type {
	InstanceState,
	NodeState,
	PathState,
	RuleState,
} from "../../src/plan/state.js";
import { empty } from "../../src/plan/steps.js";
import { addressHex } from "../../src/wire/address.js";
import { Lab } from "./one-node.js";
import { instance, type Spec } from "./runtimes.js";

const RULESET =
	"table inet f {\n\tchain c {\n\t\ttype filter hook forward priority 0;\n\t}\n}\n";
const ACCESS = { name: "acc", vlan: 0, role: "access", tenantId: 1 } as const;
const EXIT = { name: "ext", vlan: 0, role: "exit", tenantId: 0 } as const;

/** Both directions through one port. */
function paths(spi: number, port: number): PathState[] {
	const both = { tenantId: 1, policy: "all", length: 1, mtu: 1500 };
	const hops = [{ kind: "port", port } as const, { kind: "exit" } as const];
	return (["forward", "reverse"] as const).map((direction, i) => ({
		...both,
		direction,
		spi: spi + i,
		reverseSpi: spi + 1 - i,
		active: true,
		hops,
	}));
}

function rule(rank: number, dst: string, spi: number): RuleState {
	const key = {
		...ANY_PACKET,
		family: 4 as const,
		dst: addressHex(dst),
		dstMask: "f".repeat(32),
	};
	const action = { kind: "chain", slots: [spi] } as const;
	return { policy: "all", policyId: 1, rank, keep: false, keys: [key], action };
}

/** 10.2.0.2 goes through port 1, 10.2.0.3 through port 2. */
function state(
	revision: number,
	instances: readonly InstanceState[],
	part: Partial<NodeState> = {},
): NodeState {
	const has = (id: number) =>
		instances.some((one) => one.ports.some((port) => port.id === id));
	return {
		...empty({ node: "n", nodeId: 1, mtu: 1500 }),
		revision,
		tenants: [
			{ id: 1, name: "t", default: "forward", subnets: ["10.1.0.0/24"] },
		],
		interfaces: [ACCESS, EXIT],
		instances,
		paths: [...(has(1) ? paths(1, 1) : []), ...(has(2) ? paths(3, 2) : [])],
		ruleSets: [
			{
				tenantId: 1,
				side: "access",
				generation: revision,
				rules: [rule(2, "10.2.0.2", 1), rule(1, "10.2.0.3", 3)],
			},
		],
		...part,
	};
}

describe("guard", () => {
	const lab = new Lab();
	const events: NodeEvent[] = [];
	const options: NodeOptions = {
		prefix: lab.prefix,
		node: "n",
		netns: lab.node,
		stateDir: join(lab.directory, "agent"),
		onEvent: (event) => events.push(event),
	};
	const file = join(lab.directory, "ruleset");
	const fw = (name: string, port: number, spec: Partial<Spec> = {}) =>
		instance("routed", { ruleset: { text: RULESET }, ...spec }, [port], name);
	const both = () => [fw("a", 1, { ruleset: { file } }), fw("b", 2)];
	let node: Node;

	const forwards = (dev: string) =>
		["ipv4", "ipv6"].map((family) =>
			getSysctl(`${family}/conf/${dev}/forwarding`, lab.node),
		);
	function guarded(dev: string): boolean {
		const ifindex = ifindexOf(dev, lab.node) ?? 0;
		const pins = pinDirectory(lab.prefix, "n");
		const pinPath = join(pins, "links", `if${ifindex}`);
		return attachedTag({ ifindex, pinPath, netns: lab.node }) !== undefined;
	}
	const health = (name: string) =>
		node.status().instances.find((one) => one.instance === name);
	async function eventually(what: string, ready: () => boolean) {
		for (const end = Date.now() + 10_000; !ready(); await delay(5))
			assert.ok(Date.now() < end, `not within 10 s: ${what}`);
	}

	before(async () => {
		await lab.open();
		writeFileSync(file, RULESET);
		node = await Node.open(options);
	});
	after(async () => {
		await node?.close().catch(() => {});
		await purge(options).catch(() => {});
		await lab.close();
	});

	it("a node of which only the exit is attached forwards nothing of users", async () => {
		await node.apply(state(1, [], { interfaces: [EXIT], ruleSets: [] }));
		assert.equal(await lab.ping("10.2.0.2"), 0);
		assert.deepEqual(["ext", "acc", "all"].map(forwards), [
			["1", "1"],
			["0", "0"],
			["0", "0"],
		]);
	});

	it("an end of a port that is up has its program, also where a later instance fails", async () => {
		await assert.rejects(
			node.apply(state(2, [fw("a", 1), fw("z", 9999)])),
			/port 9999: not within/,
		);
		const ends = (await links(lab.node)).filter(({ ifname }) =>
			ifname.startsWith("cmP"),
		);
		assert.equal(ends.length, 2);
		for (const { ifname, flags } of ends)
			assert.ok(flags.includes("UP") && guarded(ifname), ifname);
	});

	it("users pass once they are judged, without the host forwarding", async () => {
		await node.apply(state(3, both()));
		assert.equal(await lab.ping("10.2.0.2"), 3);
		assert.equal(await lab.ping("10.2.0.3"), 3);
		assert.deepEqual(["acc", "cmP1i", "cmP1o", "all"].map(forwards), [
			["1", "1"],
			["1", "1"],
			["1", "1"],
			["0", "0"],
		]);
	});

	it("an interface made anew forwards only when its program is there again", async () => {
		await run(["ip", "link", "del", "acc"], { netns: lab.node });
		await ensureVeth(
			{ name: "acc", netns: lab.node },
			{ name: "eth0", netns: lab.user },
		);
		await ensureAddress("acc", "10.1.0.1/24", lab.node);
		await ensureAddress("eth0", "10.1.0.2/24", lab.user);
		await run(["ip", "route", "add", "default", "via", "10.1.0.1"], {
			netns: lab.user,
		});
		await eventually("the new interface forwards", () => {
			const open = forwards("acc").includes("1");
			assert.ok(!open || guarded("acc"));
			return open;
		});
		assert.equal(await lab.ping("10.2.0.2"), 3);
	});

	it("an agent whose function cannot start again starts, and the others run", async () => {
		await node.close();
		rmSync(file);
		const name = { function: "fw", instance: "a" };
		await deleteNetns(namespaceName(lab.prefix, "n", name));
		events.length = 0;
		node = await Node.open(options);
		assert.equal(node.state.revision, 3);
		assert.equal(health("a")?.state, "down");
		assert.match(health("a")?.reason ?? "", /ruleset/);
		assert.match(events[0]?.message ?? "", /fw\/a: .*ruleset/);
		assert.equal(health("b")?.state, "up");
		assert.equal(await lab.ping("10.2.0.3"), 3);
		assert.equal(await lab.ping("10.2.0.2"), 0, "closed where it is down");
	});

	it("it takes another state, which leaves out what is down", async () => {
		const [a, b] = both();
		assert.ok(a && b);
		await node.apply(state(4, [{ ...a, ports: [] }, b]));
		assert.equal(await lab.ping("10.2.0.3"), 3);
		await node.apply(state(5, both()));
		assert.equal(health("a")?.state, "down");
	});

	it("what is down is tried again, and comes back when its cause has gone", async () => {
		writeFileSync(file, RULESET);
		await eventually("a is up", () => health("a")?.state === "up");
		assert.equal(await lab.ping("10.2.0.2"), 3);
	});

	it("a journal that cannot be applied is told, and a new state mends it", async () => {
		await node.close();
		writeFileSync(join(options.stateDir, "state.json"), '{"revision":5}');
		events.length = 0;
		node = await Node.open(options);
		assert.deepEqual(
			events.map(({ kind }) => kind),
			["journal"],
		);
		assert.equal(node.state.revision, 0);
		await node.apply(state(6, both()));
		assert.equal(await lab.ping("10.2.0.2"), 3);
	});

	it("a purge leaves nothing forwarding", async () => {
		await node.destroy();
		assert.deepEqual(["acc", "ext"].flatMap(forwards), ["0", "0", "0", "0"]);
		assert.equal(await lab.ping("10.2.0.2"), 0);
	});
});
