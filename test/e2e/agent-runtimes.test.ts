/** The runtimes of functions against the kernel, in namespaces of this run. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ExternalRuntime } from "../../src/functions/external.js";
import { namespaceName } from "../../src/functions/names.js";
import { ProcessRuntime } from "../../src/functions/process/runtime.js";
import { ensureVeth, links } from "../../src/kernel/ip.js";
import { netnsExists, netnsPids } from "../../src/kernel/netns.js";
import { conformance, instance, pair, through, World } from "./runtimes.js";

const DROP_UDP = (port: number) =>
	`table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority 0;\n\t\tudp dport ${port} drop\n\t}\n}\n`;

function processRuntime(world: World, events: string[] = []): ProcessRuntime {
	return new ProcessRuntime({
		prefix: world.prefix,
		node: "n",
		netns: world.node,
		stateDir: world.directory,
		mtu: () => 1500,
		notify: (_, kind, message) => events.push(`${kind}: ${message}`),
	});
}

/** Until `ready` holds; fails after five seconds. */
async function eventually(
	what: string,
	ready: () => boolean | Promise<boolean>,
): Promise<void> {
	for (const end = Date.now() + 5000; !(await ready()); await delay(5))
		assert.ok(Date.now() < end, `not within 5 s: ${what}`);
}

conformance("process", async (world) => ({
	runtime: processRuntime(world),
	good: instance(
		"routed",
		{ ruleset: { text: DROP_UDP(1) }, command: ["sleep", "1000"] },
		[1, 2],
	),
	bad: instance("routed", { ruleset: { text: "table inet filter { chain" } }),
}));

conformance("external", async (world) => {
	await ensureVeth(
		{ name: "in0", netns: world.node },
		{ name: "in1", netns: world.node },
	);
	await ensureVeth(
		{ name: "out0", netns: world.node },
		{ name: "out1", netns: world.node },
	);
	const macs = {
		insideMac: "02:00:00:00:00:0a",
		outsideMac: "02:00:00:00:00:0b",
	};
	const external = (inside: string) =>
		instance("routed", {
			runtime: "external",
			instances: [{ name: "a", node: "n", inside, outside: "out0", ...macs }],
		});
	return {
		runtime: new ExternalRuntime(world.node),
		good: external("in0"),
		bad: external("missing"),
	};
});

describe("process runtime", () => {
	const world = new World();
	const events: string[] = [];
	let runtime: ProcessRuntime;
	before(async () => {
		await world.open();
		runtime = processRuntime(world, events);
	});
	after(async () => {
		runtime.close();
		await world.close();
	});
	const namespace = (name = "a") =>
		namespaceName(world.prefix, "n", { function: "fw", instance: name });

	it("routed: what comes in on one side leaves on the other, IPv4 and IPv6, port by port", async () => {
		const ports = await runtime.ensure(instance("routed", {}, [10, 4095]));
		for (const port of ports.map(pair))
			for (const family of [4, 6] as const) {
				assert.equal(
					await through(world, port.inside, port.outside, family),
					20,
					`inside to outside, IPv${family}`,
				);
				assert.equal(
					await through(world, port.outside, port.inside, family),
					20,
					`outside to inside, IPv${family}`,
				);
			}
	});

	it("a port that is no longer wanted goes, the others stay as they are", async () => {
		const [, kept] = await runtime.ensure(instance("routed", {}, [10, 11]));
		const [still] = await runtime.ensure(instance("routed", {}, [11]));
		assert.deepEqual(still, kept);
		const names = (await links(world.node))
			.map((link) => link.ifname)
			.filter((name) => name.startsWith("cmP"));
		assert.deepEqual(names.sort(), ["cmP11i", "cmP11o"]);
		assert.equal(
			await through(world, pair(still).inside, pair(still).outside, 4),
			20,
		);
		await runtime.remove(instance("routed"));
		assert.ok(!netnsExists(namespace()));
	});

	it("bridged: frames pass both ways, and the function adds none", async () => {
		const [port] = await runtime.ensure(instance("bridged", {}, [20]));
		const { inside, outside } = pair(port);
		for (const family of [4, 6] as const) {
			assert.equal(await through(world, inside, outside, family), 20);
			assert.equal(await through(world, outside, inside, family), 20);
		}
		await runtime.remove(instance("bridged"));
	});

	it("tap: one port, which gets frames", async () => {
		const [port] = await runtime.ensure(instance("tap", {}, [30]));
		assert.ok(port && "tap" in port);
		assert.equal(port.tap.name, "cmP30t");
		await runtime.remove(instance("tap"));
	});

	it("a ruleset blocks what it says and a file's new content takes its place", async () => {
		const file = join(world.directory, "fw.nft");
		writeFileSync(file, DROP_UDP(7));
		const [port] = await runtime.ensure(
			instance("routed", { ruleset: { file } }, [40]),
		);
		const { inside, outside } = pair(port);
		const passed = (dport: number) =>
			through(world, inside, outside, 4, 5, dport);
		assert.deepEqual([await passed(7), await passed(8)], [0, 5]);

		writeFileSync(file, DROP_UDP(8));
		await eventually("the new ruleset", () =>
			events.some((line) => line.includes("is in place")),
		);
		assert.deepEqual([await passed(7), await passed(8)], [5, 0]);

		writeFileSync(file, "table inet filter {\n\tchain c { nonsense; }\n}\n");
		await eventually("the complaint", () =>
			events.some((line) => line.includes("line 2")),
		);
		assert.match(
			runtime.health(instance("routed"))?.reason ?? "",
			/line 2.*the ruleset before it stays/,
		);
		assert.deepEqual(
			[await passed(7), await passed(8)],
			[5, 0],
			"the old one holds",
		);

		runtime.close();
		runtime = processRuntime(world, events);
		await runtime.ensure(instance("routed", { ruleset: { file } }, [40]));
		assert.deepEqual(
			[await passed(7), await passed(8)],
			[5, 0],
			"also for an agent that starts anew",
		);
		await runtime.remove(instance("routed"));
	});

	it("a function whose first ruleset is broken never lets a packet pass", async () => {
		const broken = instance("routed", { ruleset: { text: "nonsense" } }, [41]);
		await assert.rejects(runtime.ensure(broken), /ruleset text: line 1/);
		const up = (await links(world.node)).filter(
			(link) => link.ifname.startsWith("cmP41") && link.flags.includes("UP"),
		);
		assert.deepEqual(up, []);
		await runtime.remove(broken);
	});

	it("a NAT's addresses are the function's own", async () => {
		const nat = (addresses: string[]) =>
			instance("routed", { addresses }, [42]);
		await runtime.ensure(nat(["203.0.113.1/32", "2001:DB8::1"]));
		await runtime.ensure(nat(["203.0.113.2"]));
		const { run } = await import("../../src/kernel/process.js");
		const { stdout } = await run(["ip", "-j", "addr", "show", "dev", "lo"], {
			netns: namespace(),
		});
		assert.ok(
			stdout.includes("203.0.113.2") &&
				!stdout.includes("203.0.113.1") &&
				!stdout.includes("2001:db8::1"),
		);
		await runtime.remove(nat([]));
	});

	it("a program is restarted when it ends, and outlives the agent", async () => {
		const wanted = instance("routed", { command: ["sleep", "1000"] }, [50]);
		await runtime.ensure(wanted);
		const [pid] = netnsPids(namespace());
		assert.ok(pid);
		process.kill(pid, "SIGKILL");
		await eventually(
			"a restart",
			() =>
				runtime.health(wanted)?.restarts === 1 &&
				netnsPids(namespace()).length === 1,
		);
		const second = netnsPids(namespace());
		assert.notDeepEqual(second, [pid]);

		runtime.close();
		runtime = processRuntime(world, events);
		await runtime.ensure(wanted);
		assert.deepEqual(
			netnsPids(namespace()),
			second,
			"adopted, not started again",
		);
		assert.equal(runtime.health(wanted)?.state, "up");

		await runtime.ensure(
			instance("routed", { command: ["sleep", "1001"] }, [50]),
		);
		await eventually(
			"the old one's end",
			() => !netnsPids(namespace()).some((one) => second.includes(one)),
		);
		await runtime.remove(wanted);
		assert.ok(!netnsExists(namespace()));
	});

	it("a program runs as long as its function has ports, and is no failure without", async () => {
		const events: string[] = [];
		const runtime = processRuntime(world, events);
		const used = instance("bridged", { command: ["tcpdump", "-ni", "inside"] });
		const name = { function: used.function, instance: used.instance };
		const pids = () => netnsPids(namespaceName(world.prefix, "n", used));
		for (const ports of [[], used.ports, [], used.ports]) {
			await runtime.ensure({ ...used, ports });
			assert.equal(pids().length, ports.length);
			assert.notEqual(runtime.health(name)?.state, "down");
		}
		assert.deepEqual(events, []);
		await runtime.remove(name);
		runtime.close();
	});

	it("a program that cannot start is refused with its name", async () => {
		const wanted = instance("routed", { command: ["/no/such/program"] }, [51]);
		await assert.rejects(runtime.ensure(wanted), /\/no\/such\/program: ENOENT/);
		await runtime.remove(wanted);
	});

	it("a program's log is for the owner only", async () => {
		const wanted = instance("routed", { command: ["ip", "-br", "link"] }, [52]);
		await runtime.ensure(wanted);
		const log = join(world.directory, namespace(), "log");
		await eventually("its output", () =>
			readFileSync(log, "utf8").includes("outside"),
		);
		await runtime.remove(wanted);
	});

	it("finds namespaces that nobody wants, and only this node's", async () => {
		await runtime.ensure(
			instance("routed", { command: ["sleep", "1000"] }, [60], "lost"),
		);
		const next = processRuntime(world);
		assert.deepEqual(next.orphans([{ function: "fw", instance: "lost" }]), []);
		assert.deepEqual(next.orphans([]), [namespace("lost")]);
		const [pid] = netnsPids(namespace("lost"));
		assert.ok(pid);
		await next.removeOrphan(namespace("lost"));
		assert.ok(!netnsExists(namespace("lost")));
		assert.throws(() => process.kill(pid, 0), /ESRCH/);
		await runtime.remove(instance("routed", {}, [], "lost"));
	});
});
