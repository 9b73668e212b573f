/**
 * Random rules, and packets near their constants, for property tests here and
 * wherever a twin of the classifier is checked. Not part of the product.
 */
import fc from "fast-check";
import { formatAddress, hostMask, width } from "../address.js";
import type { Packet } from "../packet.js";
import type { Action, Field, Predicate, Rule, Test, Value } from "./ast.js";
import { ICMP_TYPES, PORT_PROTOCOLS } from "./names.js";

const V4_BASES = [0x0a000100n, 0x0a000000n, 0xc0000200n, 0n, 0xffffffffn];
const V6_BASES = [
	0x20010db8000100000000000000000000n,
	0n,
	(1n << 128n) - 1n,
	0xffff0a000100n,
];
export const TENANTS = ["blue", "red", "a-1"] as const;

const address = (family: 4 | 6): fc.Arbitrary<bigint> =>
	fc
		.tuple(
			fc.constantFrom(...(family === 4 ? V4_BASES : V6_BASES)),
			fc.oneof(
				fc.bigInt({ min: 0n, max: 15n }),
				fc.bigInt({ min: 0n, max: (1n << BigInt(width(family))) - 1n }),
			),
		)
		.map(([base, noise]) => base ^ noise);

const addresses: fc.Arbitrary<Value> = fc
	.constantFrom<4 | 6>(4, 4, 6)
	.chain((family) =>
		fc
			.tuple(
				address(family),
				address(family),
				fc.integer({ min: 0, max: width(family) }),
				fc.constantFrom("prefix", "prefix", "single", "range"),
			)
			.map(([a, b, length, shape]): Value => {
				const value = { kind: "addresses", family } as const;
				if (shape === "single") return { ...value, from: a, to: a };
				// Long ranges in IPv6 make hundreds of keys: keep them short.
				if (shape === "range") {
					const [from, to] = a < b ? [a, b] : [b, a];
					const near = family === 4 ? to : from | 0xffn;
					return { ...value, from, to: near };
				}
				const host = hostMask(family, length);
				return { ...value, from: a & ~host, to: a | host };
			}),
	);

function numbers(
	min: number,
	max: number,
	likely: readonly number[],
): fc.Arbitrary<Value> {
	const one = fc.oneof(fc.constantFrom(...likely), fc.integer({ min, max }));
	return fc.oneof(
		{
			weight: 3,
			arbitrary: one.map((n): Value => ({ kind: "numbers", from: n, to: n })),
		},
		{
			weight: 1,
			arbitrary: fc.tuple(one, one).map(
				([a, b]): Value => ({
					kind: "numbers",
					from: Math.min(a, b),
					to: Math.max(a, b),
				}),
			),
		},
	);
}

const name = (names: readonly string[]): fc.Arbitrary<Value> =>
	fc.constantFrom(...names).map((name): Value => ({ kind: "name", name }));

const PORT = numbers(1, 65_535, [1, 80, 443, 1000, 65_535]);
const VALUES: Record<Field, fc.Arbitrary<Value>> = {
	src: addresses,
	dst: addresses,
	sport: PORT,
	dport: PORT,
	proto: numbers(0, 255, [1, 6, 17, 58, 132]),
	tenant: name(TENANTS),
	dscp: numbers(0, 63, [0, 46, 34]),
	"icmp-type": fc.oneof(
		numbers(0, 255, [0, 8, 128]),
		name([...ICMP_TYPES.keys()]),
	),
};

const test: fc.Arbitrary<Predicate> = fc
	.constantFrom<Field>(...(Object.keys(VALUES) as Field[]))
	.chain((field) =>
		fc.record<Test>(
			{
				kind: fc.constant("test"),
				field: fc.constant(field),
				op: fc.constantFrom("=", "=", "=", "!="),
				values: fc.array(VALUES[field], { minLength: 1, maxLength: 3 }),
			},
			{ noNullPrototype: true },
		),
	);

/** Predicates; with `depth` 2 nearly all stay under the limit of keys. */
export function predicates(depth: number): fc.Arbitrary<Predicate> {
	if (depth === 0)
		return fc.oneof(
			{ weight: 12, arbitrary: test },
			{ weight: 1, arbitrary: fc.constant<Predicate>({ kind: "any" }) },
		);
	const inner = predicates(depth - 1);
	const list = (kind: "and" | "or") =>
		fc
			.array(inner, { minLength: 2, maxLength: 3 })
			.map((terms): Predicate => ({ kind, terms }));
	return fc.oneof(
		inner,
		list("and"),
		list("or"),
		inner.map((term): Predicate => ({ kind: "not", term })),
	);
}

const action: fc.Arbitrary<Action> = fc.oneof(
	fc.constant<Action>({ kind: "pass" }),
	fc.constant<Action>({ kind: "drop" }),
	fc
		.uniqueArray(fc.constantFrom("firewall", "ids", "nat-44", "9", "match"), {
			minLength: 1,
		})
		.map((functions): Action => ({ kind: "chain", functions })),
);

export const rules: fc.Arbitrary<Rule> = fc.record(
	{
		predicate: predicates(3),
		action,
	},
	{ noNullPrototype: true },
);

/** Constants of a predicate, by the packet fact they are compared with. */
function constants(predicate: Predicate): Map<Field, Value[]> {
	const found = new Map<Field, Value[]>();
	const walk = (p: Predicate): void => {
		if (p.kind === "test")
			found.set(p.field, [...(found.get(p.field) ?? []), ...p.values]);
		else if (p.kind === "not") walk(p.term);
		else if (p.kind !== "any") p.terms.forEach(walk);
	};
	walk(predicate);
	return found;
}

/**
 * A packet that often sits on or beside an edge of the predicate. `random`
 * gives integers below its argument, so that a seed decides everything.
 */
export function packetNear(
	predicate: Predicate,
	random: (below: number) => number,
): Packet {
	const near = constants(predicate);
	const pick = <T>(items: readonly T[]): T | undefined =>
		items[random(items.length)];
	const number = (field: Field, max: number, likely: readonly number[]) => {
		const value = pick(near.get(field) ?? []);
		if (value?.kind === "numbers" && random(4) > 0) {
			const edge = random(2) ? value.from : value.to;
			return Math.min(max, Math.max(0, edge + random(3) - 1));
		}
		return random(2) ? (pick(likely) ?? 0) : random(max + 1);
	};
	const all = [...(near.get("src") ?? []), ...(near.get("dst") ?? [])];
	const families = all.flatMap((v) =>
		v.kind === "addresses" ? [v.family] : [],
	);
	const family = random(5) ? (pick(families) ?? 4) : random(2) ? 4 : 6;
	const addressOf = (field: "src" | "dst") => {
		const mine = (near.get(field) ?? []).filter(
			(v) => v.kind === "addresses" && v.family === family,
		);
		const value = pick(mine);
		const max = (1n << BigInt(width(family))) - 1n;
		let n = pick(family === 4 ? V4_BASES : V6_BASES) ?? 0n;
		if (value?.kind === "addresses" && random(5) > 0)
			n = (random(2) ? value.from : value.to) + BigInt(random(3) - 1);
		else n ^= BigInt(random(65_536)) << BigInt(random(width(family)));
		return formatAddress(family, n < 0n ? 0n : n > max ? n & max : n);
	};
	const proto = number("proto", 255, [1, 6, 6, 17, 17, 58, 132, 50]);
	const hasPorts = PORT_PROTOCOLS.includes(proto);
	const types = (near.get("icmp-type") ?? []).flatMap((value) => {
		if (value.kind !== "name") return [];
		const both = ICMP_TYPES.get(value.name);
		return [both?.v4 ?? 0, both?.v6 ?? 0];
	});
	return {
		tenant: random(10) ? "blue" : (pick(TENANTS) ?? "blue"),
		family,
		src: addressOf("src"),
		dst: addressOf("dst"),
		proto,
		sport: hasPorts ? number("sport", 65_535, [80, 1024, 40_000]) : 0,
		dport: hasPorts ? number("dport", 65_535, [80, 443, 22]) : 0,
		dscp: number("dscp", 63, [0, 46]),
		icmpType:
			proto === 1 || proto === 58
				? number("icmp-type", 255, [0, 8, 128, 129, ...types])
				: 0,
	};
}
