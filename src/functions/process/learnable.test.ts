import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { deleteNetns, ensureNetns } from "../../kernel/netns.js";
import { applyRuleset, listRuleset } from "../../kernel/nft.js";
import { learnableFrom } from "./learnable.js";

const filter = (...rules: string[]) =>
	`table inet f {\n set good { type ipv4_addr; elements = { 10.0.0.1 }; }\n chain c {\n  type filter hook forward priority 0; policy drop;\n  ${rules.join("\n  ")}\n }\n}\n`;
const nat = (rule: string) =>
	`table ip n {\n chain c {\n  type nat hook postrouting priority srcnat;\n  ${rule}\n }\n}\n`;

const ROWS: readonly [string, "none" | "verdict" | "rewrite", string][] = [
	[
		"addresses, ports, connection states",
		"verdict",
		filter(
			"ct state established,related accept",
			"ip saddr @good tcp dport { 80, 443 } counter accept",
			"meta l4proto { icmp, ipv6-icmp } accept",
			'iifname "inside" ip6 daddr 2001:db8::/32 udp dport 53 accept',
			"ct state vmap { invalid : drop, new : continue }",
			"ip saddr . tcp dport { 10.0.0.1 . 22 } accept",
			"reject",
		),
	],
	[
		"states by a map, and invalid ones first",
		"verdict",
		filter(
			"ct state invalid drop",
			"ct state vmap { established : accept, related : accept, new : continue }",
			"ct state new tcp dport 22 accept",
		),
	],
	["only new ones", "none", filter("ct state new accept")],
	[
		"established ones dropped",
		"none",
		filter("ct state established udp dport 9 drop", "accept"),
	],
	[
		"established ones of some ports",
		"none",
		filter("ct state established tcp dport 22 accept", "accept"),
	],
	["all but new ones", "none", filter("ct state != new accept")],
	["a connection's status", "none", filter("ct status assured drop", "accept")],
	["IPv6's next header", "none", filter("ip6 nexthdr tcp accept")],
	["ports of any transport", "none", filter("th dport 53 accept")],
	[
		"a rate of an element",
		"none",
		filter(
			"ip saddr { 10.0.0.1 limit rate 1/second, 10.0.0.2 limit rate 1/second } accept",
		),
	],
	[
		"a rate of a set's elements",
		"none",
		"table inet f {\n set s { type ipv4_addr; limit rate 1/minute; elements = { 10.0.0.1 limit rate 1/minute }; }\n chain c {\n  type filter hook forward priority 0;\n  ip saddr @s accept\n }\n}\n",
	],
	[
		"connections an element has",
		"none",
		"table inet f {\n set s { type ipv4_addr; ct count over 2; elements = { 10.0.0.1 ct count over 2 }; }\n chain c {\n  type filter hook forward priority 0;\n  ip saddr @s drop\n }\n}\n",
	],
	["source NAT", "rewrite", filter("accept") + nat("masquerade")],
	["a rate", "none", filter("limit rate 10/second accept")],
	["a quota", "none", filter("quota over 10 mbytes drop", "accept")],
	["a packet's length", "none", filter("meta length > 1000 drop", "accept")],
	["the clock", "none", filter('meta hour "08:00"-"17:00" accept')],
	[
		"bytes of a payload",
		"none",
		filter("tcp dport 80 @th,160,32 0x47455420 drop"),
	],
	["flags of TCP", "none", filter("tcp flags & (fin|syn) == fin drop")],
	["DSCP", "none", filter("ip dscp ef accept")],
	["bytes of a connection", "none", filter("ct bytes > 1000 drop")],
	["marks", "none", filter("meta mark set 1")],
	["changed marks and fields", "none", filter("ip ttl set 64 accept")],
	[
		"elements that packets add",
		"none",
		"table inet f {\n set seen { type ipv4_addr; flags dynamic; }\n chain c {\n  type filter hook forward priority 0;\n  add @seen { ip saddr }\n }\n}\n",
	],
	[
		"elements that age",
		"none",
		"table inet f {\n set old { type ipv4_addr; timeout 1h; }\n chain c {\n  type filter hook forward priority 0;\n  ip saddr @old drop\n }\n}\n",
	],
];

describe("what a ruleset lets a proxy learn", { skip: whyNot() }, () => {
	const netns = `cmt${randomBytes(3).toString("hex")}-l`;
	before(() => ensureNetns(netns));
	after(() => deleteNetns(netns));
	for (const [title, expected, ruleset] of ROWS)
		it(`${title}: ${expected}`, async () => {
			await applyRuleset(`flush ruleset\n${ruleset}`, netns);
			assert.equal(learnableFrom(await listRuleset(netns)), expected);
		});
});

function whyNot(): string | false {
	if (process.getuid?.() !== 0) return "needs root";
	return spawnSync("nft", ["--version"]).status === 0 ? false : "no nft";
}
