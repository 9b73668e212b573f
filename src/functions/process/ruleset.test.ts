import assert from "node:assert/strict";
import { test } from "node:test";
import { complaint, markerOf, transactionOf } from "./ruleset.js";

test("the marker is behind what the text flushes, and lines keep their numbers", () => {
	const text = "flush ruleset\ntable ip a { }";
	const lines = transactionOf(text).split("\n");
	assert.equal(lines[1], "table ip a { }");
	assert.ok(lines[2]?.includes(markerOf(text)));
	assert.notEqual(markerOf(text), markerOf(`${text} `));
});

test("a complaint names the place in the user's own text", () => {
	const said =
		"/dev/stdin:3:5-9: Error: syntax error, unexpected accpt\n    accpt\n    ^^^^^";
	assert.match(
		complaint(said, { file: "/etc/fw.nft" }).message,
		/^ruleset \/etc\/fw.nft: line 3: syntax error, unexpected accpt \(/,
	);
	assert.match(
		complaint("killed", { text: "" }).message,
		/^ruleset text: killed/,
	);
});
