import assert from "node:assert/strict";
import { test } from "node:test";
import { type Plot, svgOf } from "./plot.js";

const plot: Plot = {
	name: "times",
	title: "Times <of> packets & more",
	x: { label: "packet", log: true },
	y: { label: "time, µs" },
	series: [
		{
			name: "learned",
			points: [
				[1, 100],
				[10, 50],
				[100, 0],
			],
		},
		{
			name: "no chain",
			reference: true,
			points: [
				[1, 10],
				[100, 10],
			],
		},
	],
};

const d = (svg: string, colour: string) =>
	[...svg.matchAll(/<path d="([^"]*)" fill="none" stroke="([^"]*)"/g)]
		.filter(([, , stroke]) => stroke === colour)
		.map(([, path]) => path);

test("plot: a value's place says how large it is, on a logarithmic axis its power", () => {
	const [, curve] = d(svgOf(plot), "#d55e00");
	const points = [...(curve ?? "").matchAll(/([\d.]+),([\d.]+)/g)].map(
		([, x, y]) => [Number(x), Number(y)],
	);
	const [first, second, third] = points;
	assert.ok(first && second && third);
	const middle = (a = 0, b = 0) => (a + b) / 2;
	assert.equal(second[0], middle(first[0], third[0]));
	assert.equal(second[1], middle(first[1], third[1]));
});

test("plot: names of axes and series are in it, and nothing of them is markup", () => {
	const svg = svgOf(plot);
	for (const name of ["packet", "time, µs", "learned", "no chain"])
		assert.ok(svg.includes(`>${name}</text>`), name);
	assert.ok(svg.includes("Times &lt;of&gt; packets &amp; more"));
	assert.equal(d(svg, "#767676").length, 2, "its line and its sign");
});

test("plot: what a logarithmic axis cannot show is refused", () => {
	const wrong = { ...plot, y: { label: "time, µs", log: true } };
	assert.throws(() => svgOf(wrong), /0 on a logarithmic axis/);
});
