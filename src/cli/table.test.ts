import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, type Column, duration, table } from "./table.js";
import { coloured } from "./terminal.js";

interface Row {
	readonly name: string;
	readonly count: number;
	readonly note?: string;
}
const columns: readonly Column<Row>[] = [
	{ title: "NAME", value: (row) => row.name },
	{ title: "COUNT", value: (row) => row.count, align: "right" },
	{ title: "NOTE", value: (row) => row.note },
];

test("table: aligns, and shows what is absent", () => {
	const rows = [
		{ name: "a", count: 5 },
		{ name: "longer", count: 1234, note: "x" },
	];
	assert.equal(
		table(columns, rows),
		["NAME    COUNT  NOTE", "a           5  -", "longer   1234  x"].join("\n"),
	);
});

test("table: cuts the widest columns to the terminal's width", () => {
	const rows = [{ name: "n".repeat(50), count: 1, note: "t".repeat(60) }];
	const lines = table(columns, rows, { width: 40 }).split("\n");
	assert.ok(
		lines.every((line) => line.length <= 40),
		lines.join("\n"),
	);
	assert.match(lines[1] ?? "", /n… {2}.*t…$/);
	assert.match(table(columns, rows), /n{50} .* t{60}$/);
});

test("table: colours do not shift columns", () => {
	const painted = table(
		[
			{ ...columns[0], colour: () => "red" } as Column<Row>,
			...columns.slice(1),
		],
		[{ name: "ab", count: 1 }],
		{ paint: coloured },
	);
	// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
	const bare = painted.replace(/\u001b\[\d+m/g, "");
	assert.equal(bare.split("\n")[1], "ab        1  -");
});

test("table: text of others cannot steer the terminal", () => {
	const text = table(columns, [{ name: "a\u001b[2Jb\r\nc", count: 1 }]);
	// biome-ignore lint/suspicious/noControlCharactersInRegex: the point of the test
	assert.doesNotMatch(text, /[\u001b\r]/);
	assert.equal(text.split("\n").length, 2);
});

test("table: numbers people can read", () => {
	assert.deepEqual([0, 999, 1000, 1_234_567, 5e12].map(bytes), [
		"0 B",
		"999 B",
		"1.0 kB",
		"1.2 MB",
		"5.0 TB",
	]);
	assert.deepEqual([5, 1500, 600_000, 7.2e6, 1e9].map(duration), [
		"5ms",
		"2s",
		"10m",
		"2h",
		"12d",
	]);
});
