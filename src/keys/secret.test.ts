import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { type Plain, Secret } from "./secret.js";

const MARK = "key material 0123456789";

test("nothing that makes text of a secret says what it is", () => {
	const secret = new Secret(Buffer.from(MARK));
	const deep = { list: [{ secret }], map: new Map([["key", secret]]) };
	const shown = [
		`${secret}`,
		String(secret),
		JSON.stringify(deep),
		inspect(deep, { depth: 9, showHidden: true }),
		format("%s %o %O %j", secret, secret, secret, secret),
		JSON.stringify(Object.entries(secret)),
		inspect(structuredClone(deep.list)),
		new Error(`failed with ${secret}`).stack ?? "",
	].join("\n");
	for (const encoding of ["utf8", "hex", "base64"] as const) {
		const text = Buffer.from(MARK).toString(encoding);
		assert.ok(!shown.includes(text.slice(0, 12)), shown);
	}
	/* Bytes listed in decimal or hexadecimal, as inspect shows buffers. */
	assert.ok(!/6b,? ?65,? ?79|107,\s*101,\s*121/.test(shown), shown);
});

test("the bytes given are taken over, and gone once wiped", () => {
	const given = Buffer.from(MARK);
	const secret = new Secret(given);
	assert.deepEqual(given, Buffer.alloc(given.length));
	const inside = secret.reveal();
	assert.equal(inside.toString(), MARK);
	const copy = secret.copy();
	assert.ok(secret.equals(Buffer.from(MARK)));
	assert.ok(!secret.equals(Buffer.from(`${MARK}.`)));
	secret.wipe();
	secret.wipe();
	assert.deepEqual(inside, Buffer.alloc(MARK.length));
	assert.throws(() => secret.reveal(), /is wiped/);
	assert.equal(secret.length, 0);
	assert.equal(copy.reveal().toString(), MARK);
});

test("a secret fits into nothing that may be shown", () => {
	const show = (value: Plain) => JSON.stringify(value);
	// @ts-expect-error: the compiler refuses it, also deep inside.
	show({ sa: { key: new Secret(Buffer.alloc(1)) } });
	assert.equal(show({ sa: { spi: 1 } }), '{"sa":{"spi":1}}');
});
