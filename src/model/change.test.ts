import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatAddress, parseAddress, prefixFault } from "./address.js";
import {
	allDocuments,
	applyDocuments,
	comparePolicies,
	emptyIntent,
	removeDocument,
} from "./change.js";
import type { IntentDocument } from "./intent.js";
import { closest } from "./problem.js";
import { toYaml } from "./serialize.js";

const tenant: IntentDocument = {
	kind: "Tenant",
	name: "blue",
	spec: { subnets: ["10.0.1.0/24"] },
};
const policy: IntentDocument = {
	kind: "Policy",
	name: "web",
	spec: { priority: 5, rule: "match(tenant=blue) >> fw", tenant: "blue" },
};
const { intent } = applyDocuments(emptyIntent, [tenant, policy]);

describe("applyDocuments", () => {
	test("says what changed and leaves the old intent alone", () => {
		const changed = { ...tenant, spec: { subnets: ["10.0.2.0/24"] } };
		const again = applyDocuments(intent, [changed, { ...policy }]);
		assert.deepEqual(
			again.changes.map((c) => c.change),
			["changed", "unchanged"],
		);
		assert.deepEqual(intent.tenants.get("blue"), tenant);
		assert.deepEqual(again.intent.tenants.get("blue"), changed);
		assert.equal(emptyIntent.tenants.size, 0);
	});
});

describe("removeDocument", () => {
	test("refuses while others name the document, and says who", () => {
		const removal = removeDocument(intent, "Tenant", "blue");
		assert.ok(!removal.ok);
		assert.deepEqual(removal.referencedBy, [{ kind: "Policy", name: "web" }]);
		assert.match(removal.message, /delete Tenant blue: .*Policy web/);
	});

	test("removes once nobody does", () => {
		const first = removeDocument(intent, "Policy", "web");
		assert.ok(first.ok);
		const second = removeDocument(first.intent, "Tenant", "blue");
		assert.ok(second.ok);
		assert.deepEqual(allDocuments(second.intent), []);
		assert.equal(intent.policies.size, 1);
	});

	test("says when there is none", () => {
		const removal = removeDocument(intent, "Node", "edge1");
		assert.ok(!removal.ok && removal.referencedBy.length === 0);
	});
});

test("policies are ordered by priority, then name", () => {
	const p = (name: string, priority?: number) => ({
		name,
		spec: priority === undefined ? {} : { priority },
	});
	const sorted = [p("b"), p("a"), p("z", 200), p("c", 0)].sort(comparePolicies);
	assert.deepEqual(
		sorted.map((x) => x.name),
		["z", "a", "b", "c"],
	);
});

test("YAML is canonical: order of the schema, documents by kind and name", () => {
	assert.equal(
		toYaml(allDocuments(intent)),
		`kind: Tenant
name: blue
spec:
  subnets:
    - 10.0.1.0/24
---
kind: Policy
name: web
spec:
  tenant: blue
  rule: match(tenant=blue) >> fw
  priority: 5
`,
	);
});

describe("addresses", () => {
	const rows: [string, string | undefined][] = [
		["10.0.0.1", "10.0.0.1"],
		["::", "::"],
		["::1", "::1"],
		["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
		["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
		["::ffff:10.0.0.1", "::ffff:a00:1"],
		["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
		["010.0.0.1", undefined],
		["10.0.0", undefined],
		["10.0.0.256", undefined],
		["1::2::3", undefined],
		["1:2:3:4:5:6:7:8:9", undefined],
		["1:2:3:4:5:6:7:8::", undefined],
		[":1", undefined],
		["12345::", undefined],
		["10.0.0.1::", undefined],
	];
	for (const [text, expected] of rows)
		test(`${text} is ${expected ?? "no address"}`, () => {
			const parsed = parseAddress(text);
			const printed = parsed && formatAddress(parsed.family, parsed.value);
			assert.equal(printed, expected);
		});

	test("host bits are named with their fix", () =>
		assert.equal(
			prefixFault("2001:db8::1/64")?.hint,
			"did you mean `2001:db8::/64`?",
		));
});

test("closest() takes near words and no far ones", () => {
	assert.equal(closest("prioriti", ["priority", "rule"]), "priority");
	assert.equal(closest("dprot", ["dport", "sport"]), "dport");
	assert.equal(closest("zzz", ["priority", "rule"]), undefined);
	assert.equal(closest("x", []), undefined);
});
