import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
	type Candidate,
	combine,
	MAX_COMBINATIONS,
	nameOf,
} from "./combine.js";
import { SLOTS } from "./hash.js";
import { maglev } from "./maglev.js";

function candidates(name: string, ...list: readonly string[]): Candidate[] {
	return list.map((text, index) => {
		const [node = "", weight = "1"] = text.split("*");
		return {
			function: name,
			instance: `${name}-${index}`,
			node,
			weight: Number(weight),
		};
	});
}

test("neighbours on one node are joined first", () => {
	const made = combine([
		candidates("fw", "n1", "n2"),
		candidates("ids", "n2", "n1"),
	]);
	assert.deepEqual(
		made.map(({ members }) => members.map((one) => one.node)).sort(),
		[
			["n1", "n1"],
			["n2", "n2"],
		],
	);
});

const chain = fc.array(
	fc.array(
		fc.tuple(
			fc.constantFrom("n1", "n2", "n3"),
			fc.integer({ min: 1, max: 100 }),
		),
		{ minLength: 1, maxLength: 64 },
	),
	{ minLength: 1, maxLength: 6 },
);

test("every instance is used near its share, by at most 64 combinations", () => {
	fc.assert(
		fc.property(chain, (shape) => {
			const functions = shape.map((list, i) =>
				candidates(
					`f${i}`,
					...list.map(([node, weight]) => `${node}*${weight}`),
				),
			);
			const made = combine(functions);
			assert.ok(made.length <= MAX_COMBINATIONS);
			const units = made.reduce((sum, { weight }) => sum + weight, 0);
			for (const [position, list] of functions.entries()) {
				const total = list.reduce((sum, { weight }) => sum + weight, 0);
				for (const one of list) {
					const share = made
						.filter(({ members }) => members[position] === one)
						.reduce((sum, { weight }) => sum + weight, 0);
					assert.ok(share > 0, `${one.instance} is idle`);
					/* At least one unit each costs the others up to one unit each. */
					const slack = (list.length + 1) / units;
					const error = share / units - one.weight / total;
					assert.ok(
						Math.abs(error) <= slack,
						`${one.instance} is off by ${error}`,
					);
				}
			}
		}),
		{ numRuns: 50 },
	);
});

test("maglev: slots follow weights, and few move when a member goes", () => {
	const members = Array.from({ length: 10 }, (_, i) => ({
		name: `path-${i}`,
		weight: i < 5 ? 2 : 1,
	}));
	const before = maglev(members);
	assert.equal(before.length, SLOTS);
	for (const [index, { weight }] of members.entries()) {
		const count = before.filter((one) => one === index).length;
		const fair = (SLOTS * weight) / 15;
		assert.ok(Math.abs(count - fair) <= 2, `${count} slots instead of ${fair}`);
	}
	for (let gone = 0; gone < members.length; gone++) {
		const rest = members.filter((_, index) => index !== gone);
		const after = maglev(rest).map((index) => rest[index]?.name);
		const moved = before.filter(
			(index, slot) => index !== gone && members[index]?.name !== after[slot],
		).length;
		assert.ok(moved < SLOTS / 8, `${moved} slots moved without need`);
	}
});

test("maglev: a member of tiny weight has a slot still, and order does not matter", () => {
	const members = Array.from({ length: 64 }, (_, i) => ({
		name: `m${i}`,
		weight: i === 0 ? 1 : 1000,
	}));
	const table = maglev(members);
	assert.equal(new Set(table).size, 64);
	assert.throws(() => maglev([]), /0 members/);
});

test("when an instance goes, most flows of the others keep their instances", () => {
	const build = (names: readonly string[]) => {
		const made = combine([
			candidates("fw", "n1", "n1", "n1", "n1"),
			candidates("ids", "n1", "n1", "n1", "n1").filter((one) =>
				names.includes(one.instance),
			),
		]).map((one) => ({ name: nameOf(one.members), weight: one.weight }));
		return maglev(made).map((index) => made[index]?.name ?? "");
	};
	const before = build(["ids-0", "ids-1", "ids-2", "ids-3"]);
	const after = build(["ids-0", "ids-1", "ids-3"]);
	const healthy = before.filter((name) => !name.includes("ids-2"));
	const kept = before.filter(
		(name, slot) => !name.includes("ids-2") && name === after[slot],
	);
	assert.ok(
		kept.length > healthy.length * 0.6,
		`${kept.length} of ${healthy.length} kept`,
	);
});
