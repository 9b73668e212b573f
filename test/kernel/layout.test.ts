/** The generated layout: fresh, and byte for byte what C means. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import * as layout from "../../src/kernel/layout.gen.js";
import { type FieldType, readLayout } from "../../tools/btf.js";
import { LAYOUTS, layoutText, wantedLayout } from "../../tools/gen-layout.js";
import { root } from "../../tools/root.js";

const OBJECT = join(root, "dist/bpf/layout.bpf.o");
const HEADER = readFileSync(join(root, "bpf/maps.h"), "utf8");

for (const source of Object.values(LAYOUTS))
	test(`the committed layout is what ${source.header} says`, () => {
		const committed = readFileSync(join(root, source.target), "utf8");
		assert.ok(
			committed === wantedLayout(source),
			"stale: run node dist/tools/gen-layout.js and commit it",
		);
	});

test("a change of the header changes the layout", () => {
	const changed = HEADER.replace(
		/#define LAYOUT_VERSION \d+/,
		"#define LAYOUT_VERSION 999",
	);
	assert.notEqual(changed, HEADER);
	assert.match(layoutText(OBJECT, changed), /LAYOUT_VERSION = 999;/);
	assert.notEqual(layoutText(OBJECT, changed), layoutText(OBJECT, HEADER));
});

test("network order is network order, host order little-endian", () => {
	const addr = (...w: number[]) => ({ w });
	const tuple = {
		src: addr(0, 0, 0xffff, 0x0a000102),
		dst: addr(1, 2, 3, 4),
		sport: 0x1234,
		dport: 80,
		proto: 6,
		dscp: 0,
	};
	const bytes = layout.encodeFlowKey({ scope: 0x01020304, t: tuple });
	assert.equal(
		bytes.toString("hex"),
		"04030201" +
			"00000000000000000000ffff0a000102" +
			"00000001000000020000000300000004" +
			"1234" +
			"0050" +
			"06000000",
	);
	assert.deepEqual(layout.decodeFlowKey(bytes), {
		scope: 0x01020304,
		t: tuple,
	});
});

const camel = (name: string) =>
	name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());

/** Any value of a C type. */
function any(
	type: FieldType,
	structs: ReturnType<typeof readLayout>["structs"],
): fc.Arbitrary<unknown> {
	if (type.kind === "scalar")
		return type.size === 8 ? fc.maxSafeNat() : fc.nat(2 ** (8 * type.size) - 1);
	if (type.kind === "array") {
		const exactly = { minLength: type.length, maxLength: type.length };
		return type.of.size === 1
			? fc.uint8Array(exactly)
			: fc.array(any(type.of, structs), exactly);
	}
	const fields = structs.find((one) => one.name === type.name)?.fields ?? [];
	const named = fields.filter((field) => field.name !== "pad");
	return fc.record(
		Object.fromEntries(
			named.map((field) => [camel(field.name), any(field.type, structs)]),
		),
		{ noNullPrototype: true },
	);
}

test("every struct survives encoding at any offset, and pads with zero", () => {
	const { structs } = readLayout(OBJECT);
	assert.ok(structs.length > 20);
	for (const { name, size } of structs) {
		const codec = Object.entries(layout).find(
			([key]) => key === camel(name),
		)?.[1] as typeof layout.config | undefined;
		assert.equal(codec?.size, size, name);
		fc.assert(
			fc.property(
				any({ kind: "struct", name, size }, structs),
				fc.nat(40),
				(value, offset) => {
					const dirty = Buffer.alloc(offset + size + 1, 0xee);
					const clean = Buffer.alloc(offset + size + 1);
					for (const buffer of [dirty, clean])
						codec?.write(value as layout.Config, buffer, offset);
					assert.deepEqual(codec?.decode(dirty, offset), value);
					assert.deepEqual(
						dirty.subarray(offset, offset + size),
						clean.subarray(offset, offset + size),
					);
					assert.equal(dirty[offset + size], 0xee);
				},
			),
			{ numRuns: 20 },
		);
	}
});

test("drop reasons have a name and a meaning each", () => {
	assert.equal(layout.DROP_REASON_NAMES.length, layout.DropReason.REASON_COUNT);
	assert.equal(layout.DROP_REASON_NAMES[layout.DropReason.NO_PATH], "no_path");
	assert.ok(layout.DROP_REASON_DOCS.slice(1).every((text) => text !== ""));
});
