/** What the agent sets on a node's interfaces, and what it leaves to its owner. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { HostSettings } from "../../src/agent/host.js";
import { Journal } from "../../src/agent/journal.js";
import { ensureVeth, ipBatch, routes } from "../../src/kernel/ip.js";
import { RawSocket } from "../../src/kernel/rawsocket.js";
import { getSysctl, setSysctl } from "../../src/kernel/sysctl.js";
import { eth, icmpv6, ipv6, packet } from "../../src/wire/build.js";
import { World } from "./runtimes.js";

const ROUTER = "02:00:00:00:00:01";

/** From fe80::1: a default route for `seconds` (RFC 4861 section 4.2). */
const advertisement = (seconds: number) =>
	packet(
		eth({ src: ROUTER, dst: "33:33:00:00:00:01" }),
		ipv6({ src: "fe80::1", dst: "ff02::1", hopLimit: 255 }),
		icmpv6({ type: 134, id: 64 << 8, seq: seconds }),
		Buffer.alloc(8),
	);

describe("settings of the node", () => {
	const world = new World();
	let journal: Journal;
	const accepts = (dev: string) =>
		getSysctl(`ipv6/conf/${dev}/accept_ra`, world.node);
	const settings = () => new HostSettings(journal, world.node);
	const apply = (name = "up") => settings().open([{ name, unfiltered: true }]);
	const forwards = (dev: string) =>
		["ipv4", "ipv6"].map((family) =>
			getSysctl(`${family}/conf/${dev}/forwarding`, world.node),
		);
	const filters = (dev: string) =>
		getSysctl(`ipv4/conf/${dev}/rp_filter`, world.node);
	/** Router of the default route. */
	const router = async () =>
		(await routes(6, "main", world.node)).find((one) => one.dst === "default")
			?.gateway;
	async function advertise(seconds: number): Promise<void> {
		const wanted = seconds > 0 ? "fe80::1" : undefined;
		const socket = new RawSocket("peer", world.node);
		try {
			for (const end = Date.now() + 5000; (await router()) !== wanted; ) {
				assert.ok(Date.now() < end, `no route ${wanted} within 5 s`);
				socket.send(advertisement(seconds));
				await delay(10);
			}
		} finally {
			socket.close();
		}
	}

	before(async () => {
		await world.open();
		journal = new Journal(world.directory);
		setSysctl("ipv6/conf/default/accept_dad", 0, world.node);
		setSysctl("ipv6/conf/default/accept_ra", 1, world.node);
		await ensureVeth(
			{ name: "up", netns: world.node },
			{ name: "peer", netns: world.node, mac: ROUTER },
		);
		await ipBatch(
			[
				["link", "set", "dev", "peer", "arp", "off"],
				["link", "add", "quiet", "type", "veth", "peer", "name", "other"],
			],
			world.node,
		);
		setSysctl("ipv6/conf/peer/accept_ra", 0, world.node);
		setSysctl("ipv6/conf/quiet/accept_ra", 0, world.node);
	});
	after(() => world.close());

	it("the default route stays when the agent turns forwarding on", async () => {
		await advertise(1800);
		apply();
		assert.deepEqual(forwards("up"), ["1", "1"]);
		assert.equal(await router(), "fe80::1");
		assert.deepEqual([accepts("up"), accepts("quiet")], ["2", "0"]);
	});

	it("and is still learned afterwards", async () => {
		await advertise(0);
		await advertise(1800);
	});

	it("an interface that comes later listens as well", async () => {
		await ipBatch(
			[["link", "add", "late", "type", "veth", "peer", "name", "later"]],
			world.node,
		);
		assert.equal(accepts("late"), "1");
		apply("quiet");
		assert.equal(accepts("late"), "2");
	});

	it("no other interface forwards, nor the host as a whole", () => {
		assert.deepEqual(
			["up", "quiet", "late", "peer", "all", "default"].map(forwards),
			[["1", "1"], ["1", "1"], ...Array(4).fill(["0", "0"])],
		);
	});

	it("an interface that is no longer ours forwards no more", () => {
		settings().closeOthers(new Set(["up"]));
		assert.deepEqual(forwards("quiet"), ["0", "0"]);
		assert.deepEqual(forwards("up"), ["1", "1"]);
	});

	it("all is as before when the node is purged", () => {
		settings().restore();
		assert.deepEqual(
			[accepts("up"), accepts("quiet"), accepts("late")],
			["1", "0", "1"],
		);
		assert.deepEqual(forwards("up"), ["0", "0"]);
		journal.clear();
	});

	it("the reverse-path filter goes from our interface and from no other", () => {
		setSysctl("ipv4/conf/all/rp_filter", 1, world.node);
		setSysctl("ipv4/conf/late/rp_filter", 2, world.node);
		apply();
		const devs = ["all", "up", "peer", "late", "default"];
		assert.deepEqual(devs.map(filters), ["0", "0", "1", "2", "1"]);
		settings().restore();
		assert.deepEqual(devs.map(filters), ["1", "0", "0", "2", "0"]);
		journal.clear();
	});

	it("an interface that is gone, or has no IPv6, is no error", () => {
		setSysctl("ipv6/conf/late/disable_ipv6", 1, world.node);
		apply("late");
		apply("gone");
		settings().restore();
		journal.clear();
	});

	it("a node that forwards by its owner's wish is left as it is", () => {
		setSysctl("ipv4/ip_forward", 1, world.node);
		setSysctl("ipv6/conf/all/forwarding", 1, world.node);
		apply();
		assert.equal(accepts("up"), "1");
		settings().restore();
		assert.deepEqual(["up", "all"].map(forwards), [
			["1", "1"],
			["1", "1"],
		]);
	});
});
