/** CSV that other programs read back as it was. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "./csv.js";

test("csv: quotes what needs it, and nothing else", () => {
	const lines = [
		...csv([
			{ name: "plain", note: 'says "no", twice', text: "two\nlines" },
			{ name: "", note: 0, text: false },
		]),
	];
	assert.deepEqual(lines, [
		"name,note,text",
		'plain,"says ""no"", twice","two\nlines"',
		",0,false",
	]);
});

test("csv: inner objects are columns, lists are JSON, what a record lacks is empty", () => {
	const lines = [
		...csv([
			{ a: { b: 1, c: { d: 2 } }, list: ["x", "y"] },
			{ a: { b: 3 }, extra: null },
		]),
	];
	assert.deepEqual(lines, [
		"a.b,a.c.d,list,extra",
		'1,2,"[""x"",""y""]",',
		"3,,,",
	]);
});

test("csv: no records, no lines; text of others cannot steer a terminal", () => {
	assert.deepEqual([...csv([])], []);
	assert.deepEqual([...csv([{ a: "\u001b[2J" }])], ["a", "?[2J"]);
});
