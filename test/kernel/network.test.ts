/** Namespaces, links, addresses, routes, sysctls, nftables; each twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ip from "../../src/kernel/ip.js";
import {
	ensureNetns,
	ifindexOf,
	listNetns,
	withNetns,
} from "../../src/kernel/netns.js";
import {
	applyRuleset,
	checkRuleset,
	listRuleset,
} from "../../src/kernel/nft.js";
import { probe } from "../../src/kernel/probe.js";
import { run } from "../../src/kernel/process.js";
import { getSysctl, setSysctl } from "../../src/kernel/sysctl.js";
import { joined, namespace } from "./fixture.js";

test("ensuring twice is ensuring once; a change takes effect", async (t) => {
	const { a, b } = await joined(t);
	await ensureNetns(a);
	const MAC = "02:00:00:00:00:0a";
	for (const mtu of [1500, 1400]) {
		for (const _ of [1, 2])
			await ip.ensureVeth(
				{ name: "va", netns: a, mac: MAC },
				{ name: "vb", netns: b },
				mtu,
			);
		const link = await ip.linkOf("va", a);
		assert.equal(link?.mtu, mtu);
		assert.equal(link?.address, MAC);
		assert.ok(link?.flags.includes("LOWER_UP"));
		assert.equal(link?.ifindex, ifindexOf("va", a));
	}
	for (const _ of [1, 2]) {
		await ip.ensureAddress("va", "10.9.0.1/24", a);
		await ip.ensureAddress("va", "fd09::1/64", a);
		await ip.ensureRoutes(
			[
				{ to: "default", family: 4, via: "10.9.0.2", table: 77 },
				{ to: "default", family: 6, via: "fd09::2", table: 77 },
			],
			a,
		);
		await ip.ensureNeighbour("va", "10.9.0.2", "02:00:00:00:00:0b", a);
		await ip.ensureRules(
			[
				{ family: 4, priority: 100, table: 77, iif: "va" },
				{ family: 6, priority: 100, table: 77, iif: "va" },
				{ family: 4, priority: 101, table: 77, from: "10.1.0.5/32" },
			],
			a,
		);
	}
	assert.deepEqual(
		(await ip.routes(4, "77", a)).map(({ dst, gateway }) => [dst, gateway]),
		[["default", "10.9.0.2"]],
	);
	assert.equal((await ip.routes(6, "77", a))[0]?.gateway, "fd09::2");
	assert.equal(
		(await ip.neighbours(a)).find((one) => one.dst === "10.9.0.2")?.lladdr,
		"02:00:00:00:00:0b",
	);
	const mine = async () =>
		(await ip.rules(4, a)).filter((rule) => [100, 101].includes(rule.priority));
	assert.deepEqual(
		(await mine()).map((rule) => rule.table),
		["77", "77"],
	);
	await ip.ensureRules([{ family: 4, priority: 100, table: 78, iif: "va" }], a);
	assert.deepEqual(
		(await mine()).map((rule) => rule.table),
		["78", "77"],
	);
	assert.equal(await ip.deleteLink("va", a), true);
	assert.equal(await ip.deleteLink("va", a), false);
	assert.equal(await ip.linkOf("vb", b), undefined);
});

test("a veth between the own namespace and another, from either side", async (t) => {
	const netns = await namespace(t);
	const name = `cmt${process.pid % 100000}`;
	t.after(() => ip.deleteLink(name));
	await ip.ensureVeth({ name: "in", netns }, { name });
	await ip.ensureVeth({ name }, { name: "in", netns });
	assert.equal((await ip.linkOf("in", netns))?.link_index, ifindexOf(name));
});

test("a batch names the command that failed", async (t) => {
	const netns = await namespace(t);
	const commands = [
		["link", "set", "lo", "up"],
		["link", "set", "dev", "nix", "up"],
	];
	await assert.rejects(
		ip.ipBatch(commands, netns),
		/^KernelError: ip link set dev nix up: Cannot find device "nix" \(/,
	);
});

test("sysctls are of the namespace", async (t) => {
	const { a, b } = await joined(t);
	setSysctl("ipv4/conf/va/rp_filter", 2, a);
	setSysctl("ipv4/ip_forward", 1, a);
	assert.equal(getSysctl("ipv4/conf/va/rp_filter", a), "2");
	assert.deepEqual(
		[getSysctl("ipv4/ip_forward", a), getSysctl("ipv4/ip_forward", b)],
		["1", "0"],
	);
	assert.throws(
		() => setSysctl("ipv4/conf/nix/rp_filter", 1, a),
		/set sysctl net\/ipv4\/conf\/nix\/rp_filter=1: ENOENT/,
	);
});

test("hostile names go nowhere", async (t) => {
	const netns = await namespace(t);
	const names = [
		"-h",
		"a b",
		"",
		"x".repeat(16),
		"../lo",
		"lo/x",
		"a'b",
		'a"b',
		"a\\b",
		"a#b",
		"a\nb",
		"veth%d",
		".",
		"all;",
		"a\0b",
		"ä",
	];
	for (const name of names) {
		assert.throws(() => ifindexOf(name, netns), /interface .*: bad name/, name);
		await assert.rejects(ip.linkOf(name, netns), /bad name/, name);
		await assert.rejects(
			ip.ensureAddress(name, "10.0.0.1/8", netns),
			/bad name/,
			name,
		);
		await assert.rejects(
			ip.ensureVeth({ name, netns }, { name: "x", netns }),
			/bad name/,
			name,
		);
	}
	for (const name of [
		"../../etc",
		"-n",
		"",
		".",
		"a/b",
		"a b",
		"x".repeat(101),
	])
		assert.throws(
			() => withNetns(name, () => 1),
			/namespace .*: bad name/,
			name,
		);
	for (const key of [
		"../kernel/panic",
		"ipv4/../../kernel/x",
		"/ipv4/x",
		"ipv4",
		"ipv4/conf/a b/x",
	])
		assert.throws(() => setSysctl(key, 1, netns), /sysctl .*: bad name/, key);
	await assert.rejects(
		ip.ipBatch([["link", "show\nlink del lo"]], netns),
		/bad characters/,
	);
	await assert.rejects(
		ip.ensureAddress("lo", "10.0.0.1/8 dev va", netns),
		/bad characters/,
	);
	assert.throws(
		() => withNetns("cmt-no-such", () => 1),
		/enter namespace cmt-no-such: no such namespace/,
	);
});

test("an exception inside a namespace leads back home", async (t) => {
	const netns = await namespace(t);
	const home = (await run(["readlink", "/proc/self/ns/net"])).stdout;
	assert.throws(
		() =>
			withNetns(netns, () => {
				throw new Error("inside");
			}),
		/inside/,
	);
	assert.equal((await run(["readlink", "/proc/self/ns/net"])).stdout, home);
	assert.notEqual(
		(await run(["readlink", "/proc/self/ns/net"], { netns })).stdout,
		home,
	);
});

const RULES =
	"table ip t {\n chain c {\n  type filter hook forward priority 0;\n  tcp dport 80 counter drop\n }\n}\n";

test("a ruleset is checked, applied whole or not at all, and listed", async (t) => {
	const netns = await namespace(t);
	await checkRuleset(RULES, netns);
	assert.deepEqual(await listRuleset(netns), []);
	await applyRuleset(RULES, netns);
	const names = (await listRuleset(netns)).map(
		(object) => Object.keys(object)[0],
	);
	assert.deepEqual(names, ["table", "chain", "rule"]);
	await assert.rejects(
		applyRuleset(`flush ruleset\n${RULES}add rule ip t nosuch drop\n`, netns),
		/apply ruleset: line 8:.*nosuch/s,
	);
	assert.equal((await listRuleset(netns)).length, 3);
	await assert.rejects(
		checkRuleset("table ip t { nonsense }", netns),
		/check ruleset: line 1:\d+-\d+: Error: syntax error/,
	);
	for (const text of [
		'include "/etc/shadow"',
		'table ip t {\n}; include "/etc/shadow"',
		'\n\tinclude "/x"',
	])
		await assert.rejects(
			checkRuleset(text, netns),
			/read ruleset: it has an include/,
		);
});

test("the doctor's required checks pass here, and it leaves nothing", () => {
	const before = listNetns().filter((name) => !name.startsWith("cmt-"));
	const checks = probe();
	assert.deepEqual(
		checks.filter((check) => check.required && !check.ok),
		[],
	);
	assert.ok(checks.every((check) => check.detail !== ""));
	assert.ok(before.every((name) => !name.includes("doctor")));
});
