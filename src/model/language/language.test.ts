import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Packet } from "../packet.js";
import { rules } from "./arbitraries.js";
import { evaluate, parseRule, printRule } from "./index.js";

const packet: Packet = {
	tenant: "blue",
	family: 4,
	src: "10.0.1.5",
	dst: "192.0.2.9",
	proto: 6,
	sport: 40_000,
	dport: 443,
	dscp: 0,
	icmpType: 0,
};
const icmp = { ...packet, proto: 1, sport: 0, dport: 0, icmpType: 8 };

function holds(predicate: string, of: Packet = packet): boolean {
	const parsed = parseRule(`match(${predicate}) >> pass`);
	assert.ok(parsed.ok, predicate);
	return evaluate(parsed.rule.predicate, of);
}

describe("parse and print", () => {
	test("parse(print(x)) = x for random rules", () => {
		fc.assert(
			fc.property(rules, (rule) => {
				const text = printRule(rule);
				const parsed = parseRule(text);
				assert.ok(parsed.ok, text);
				assert.deepEqual(parsed.rule, rule, text);
			}),
			{ numRuns: 2000 },
		);
	});

	test("any text gives a rule or one problem inside the text", () => {
		const pieces = fc.constantFrom(
			...'match ( ) { } , = != & | ~ * -> >> src dport 80 80-90 10.0.0.0/8 tcp ! " ids pass 0 ::1 \n'.split(
				" ",
			),
		);
		fc.assert(
			fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
				const text = parts.join(" ");
				const parsed = parseRule(text);
				if (parsed.ok) return;
				const [problem] = parsed.problems;
				assert.ok(problem && problem.message.length > 0);
				assert.ok(problem.span.offset <= text.length);
			}),
			{ numRuns: 5000 },
		);
	});

	test("the form of the documentation", () => {
		const text =
			"match(src=10.0.1.0/24 & proto=tcp & (dport=80 | dport=443)) >> firewall -> ids";
		const parsed = parseRule(text);
		assert.ok(parsed.ok);
		assert.equal(printRule(parsed.rule), text);
		assert.deepEqual(parsed.places.functions, [
			{ offset: 63, length: 8 },
			{ offset: 75, length: 3 },
		]);
	});

	const canonical: [string, string][] = [
		["match()>>drop", "match(*) >> drop"],
		["match( dport = {80,443} )>>a->b", "match(dport={80, 443}) >> a -> b"],
		["match(proto=6&dscp=46)>>pass", "match(proto=tcp & dscp=ef) >> pass"],
		["match(src=10.0.0.0-10.0.0.255)>>a", "match(src=10.0.0.0/24) >> a"],
		["match(src=10.0.0.1/32)>>a", "match(src=10.0.0.1) >> a"],
		["match(((src=::1)))>>a", "match(src=::1) >> a"],
		["match(dst=2001:DB8:0::/64)>>a", "match(dst=2001:db8::/64) >> a"],
		["match(tenant=blue)>>a", "match(tenant=blue) >> a"],
	];
	for (const [given, printed] of canonical)
		test(`${given} prints canonically`, () => {
			const parsed = parseRule(given);
			assert.ok(parsed.ok);
			assert.equal(printRule(parsed.rule), printed);
		});
});

describe("evaluate", () => {
	const rows: [string, Packet, boolean][] = [
		["*", packet, true],
		["src=10.0.1.0/24", packet, true],
		["src=10.0.2.0/24", packet, false],
		["src=10.0.1.1-10.0.1.5", packet, true],
		["src=10.0.1.1-10.0.1.4", packet, false],
		["src=::/0", packet, false],
		["src!=2001:db8::/32", packet, true],
		["dport={80, 443}", packet, true],
		["dport=400-442", packet, false],
		["dport!=80", icmp, true],
		["dport=1-65535", icmp, false],
		["icmp-type=echo-request", icmp, true],
		["icmp-type=echo-request", { ...icmp, proto: 58 }, false],
		["icmp-type=echo-request", { ...icmp, proto: 58, icmpType: 128 }, true],
		["icmp-type=0", packet, false],
		["icmp-type!=echo-request", packet, true],
		["tenant={red, blue}", packet, true],
		["tenant!=blue", packet, false],
		["proto=tcp & dport=443 | proto=udp", packet, true],
		["~(proto=tcp & dport=443)", packet, false],
		["dscp=be | dscp=0".replace("be", "cs0"), packet, true],
	];
	for (const [predicate, of, expected] of rows)
		test(`${predicate} is ${expected} for protocol ${of.proto}`, () =>
			assert.equal(holds(predicate, of), expected));
});
