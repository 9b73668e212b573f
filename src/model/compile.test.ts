import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
	compilePredicate,
	MAX_KEYS,
	matchKey,
	PredicateTooLargeError,
} from "./compile.js";
import { packetNear, predicates } from "./language/arbitraries.js";
import { evaluate, type Predicate, parseRule } from "./language/index.js";
import { covers, toTernary } from "./ternary.js";

function predicate(text: string): Predicate {
	const parsed = parseRule(`match(${text}) >> pass`);
	assert.ok(parsed.ok, text);
	return parsed.rule.predicate;
}

const count = (text: string, tenant = "blue") =>
	compilePredicate(predicate(text), tenant).length;

/** Small generator (mulberry32): one seed of fast-check's decides all packets. */
function random(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % below;
	};
}

describe("compilePredicate", () => {
	test("keys fit the packets that evaluate() accepts, on 120,000 packets", () => {
		let packets = 0;
		let accepted = 0;
		fc.assert(
			fc.property(predicates(2), fc.integer(), (p, seed) => {
				const next = random(seed);
				const compiled = new Map<string, ReturnType<typeof compilePredicate>>();
				let budget = 4000; // keys looked at, so that large sets stay quick
				for (let i = 0; i < 50 && budget > 0; i++) {
					const packet = packetNear(p, next);
					let keys = compiled.get(packet.tenant);
					try {
						keys ??= compilePredicate(p, packet.tenant);
					} catch (error) {
						assert.ok(error instanceof PredicateTooLargeError);
						return;
					}
					compiled.set(packet.tenant, keys);
					budget -= keys.length;
					const expected = evaluate(p, packet);
					const found = keys.some((key) => matchKey(key, packet));
					assert.equal(found, expected, JSON.stringify(packet));
					packets++;
					if (expected) accepted++;
				}
			}),
			{ numRuns: 2700 },
		);
		assert.ok(packets >= 100_000, `only ${packets} packets`);
		assert.ok(accepted > packets / 10, `only ${accepted} of ${packets} fit`);
	});

	test("values stay within their masks and no key covers another", () => {
		fc.assert(
			fc.property(predicates(2), (p) => {
				let keys: ReturnType<typeof compilePredicate> = [];
				try {
					keys = compilePredicate(p, "blue");
				} catch (error) {
					assert.ok(error instanceof PredicateTooLargeError);
				}
				const bits = keys.slice(0, 200).map(toTernary);
				for (const [i, a] of bits.entries()) {
					a.value.forEach((word, at) => {
						assert.equal(word & ~(a.mask[at] ?? 0), 0);
					});
					for (const [j, b] of bits.entries())
						assert.ok(i === j || !covers(a, b));
				}
			}),
			{ numRuns: 300 },
		);
	});

	const rows: [string, number][] = [
		["*", 1],
		["dport={80, 443}", 2],
		["dport=1024-65535", 6],
		["dport=80 | dport=443 | dport=81", 2],
		["src=10.0.0.0/8", 1],
		["src!=10.0.0.0/8", 9],
		["src=10.0.0.0/8 & dst=2001:db8::/32", 0],
		["proto=tcp & proto=udp", 0],
		["dport=80 | *", 1],
		["src=10.0.0.0/8 | src=10.1.0.0/16", 1],
		["(src=10.0.0.0/8 & proto=tcp) | src=10.0.0.0/8", 1],
		["tenant=red", 0],
		["tenant!=red & dport=80", 1],
		["icmp-type=echo-request", 2],
		["~~dport=80", 1],
		["~(dport=80 | ~dport=80)", 0],
	];
	for (const [text, keys] of rows)
		test(`${text} makes ${keys} keys`, () => assert.equal(count(text), keys));

	test("IPv4 carries ::ffff:0:0/96 in value and mask of both addresses", () => {
		const [key] = compilePredicate(predicate("src=10.0.1.0/24"), "blue");
		assert.equal(key?.family, 4);
		assert.equal(key?.src, "00000000000000000000ffff0a000100");
		assert.equal(key?.srcMask, "ffffffffffffffffffffffffffffff00");
		assert.equal(key?.dst, "00000000000000000000ffff00000000");
		assert.equal(key?.dstMask, "ffffffffffffffffffffffff00000000");
	});

	const large = [
		"src!=2001:db8::1 & dst!=2001:db8::1",
		`~(${Array.from({ length: 30 }, (_, i) => `(src=10.${i}.0.1 & dst=10.0.0.${i} & dport=${i + 1})`).join(" | ")})`,
	];
	for (const text of large)
		test(`refuses in time: ${text.slice(0, 40)}…`, { timeout: 5000 }, () =>
			assert.throws(
				() => compilePredicate(predicate(text), "blue"),
				(error: Error) =>
					error instanceof PredicateTooLargeError &&
					error.message.includes(String(MAX_KEYS)),
			),
		);
});
