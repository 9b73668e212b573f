/** What policies may say of encryption, and what is told of what they may not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { applyDocuments, emptyIntent, removeDocument } from "./change.js";
import { checkIntent } from "./check.js";
import { findConflicts } from "./conflicts.js";
import { encryptionOf } from "./encryption.js";
import { partsOf } from "./flow-class.js";
import { loadDocuments } from "./load.js";
import { toYaml } from "./serialize.js";

const BASE = `
kind: Tenant
name: t
spec: { subnets: [10.0.1.0/24] }
---
kind: Node
name: a
spec:
  domain: one
  underlay: 192.0.2.1
  interfaces: [{ name: eth0, role: access, tenant: t }, { name: up, role: underlay }]
---
kind: Node
name: b
spec:
  domain: two
  underlay: 192.0.2.2
  interfaces: [{ name: eth0, role: exit }, { name: up, role: underlay }]
---
kind: Function
name: fw
spec:
  attach: routed
  runtime: process
  ruleset: { text: "table inet x {}" }
  instances: [{ name: x, node: a }]
---
kind: Function
name: box
spec:
  attach: routed
  runtime: external
  instances: [{ name: x, node: a, inside: eth1, outside: eth2 }]
---
kind: FlowClass
name: video
spec: { match: proto=udp & dport=5004 }
---
kind: FlowClass
name: mail
spec: { match: "proto=tcp & dport={25, 587}" }
`;

function read(more: string) {
	const text = `${BASE}---\n${more}`;
	const loaded = loadDocuments([{ name: "x.yaml", text }]);
	const { intent } = applyDocuments(emptyIntent, loaded.documents);
	const problems = [
		...loaded.problems,
		...(loaded.problems.length > 0 ? [] : checkIntent(intent, loaded.sources)),
	];
	return { ...loaded, intent, problems };
}

const policy = (spec: string, rule = "match(*) >> fw") =>
	`kind: Policy\nname: p\nspec:\n  rule: ${rule}\n  ${spec}\n`;

describe("encrypt", () => {
	const good = [
		"encrypt: always",
		"encrypt: between-domains\n  integrity: packet",
		"integrity: off",
		"encrypt: { when: between-nodes, except: [video, mail] }",
		"encrypt: { when: always, algorithm: aes-gcm-128, protect: true, rekey: { seconds: 5, packets: 100000, bytes: 1000000 } }",
	];
	for (const spec of good)
		test(`${spec} is right, and reads back from its YAML`, () => {
			const { problems, documents } = read(policy(spec));
			assert.deepEqual(problems, []);
			const again = loadDocuments([
				{ name: "y.yaml", text: toYaml(documents) },
			]);
			assert.deepEqual(again.documents, documents);
		});

	const bad: [string, string, RegExp, RegExp][] = [
		["encrypt: allways", "", /`encrypt` cannot be `allways`/, /always/],
		["encrypt: 7", "", /`encrypt` cannot be `7`/, /known: always/],
		["encrypt: [always]", "", /a word or a mapping, not a list/, /known/],
		["encrypt: { except: [video] }", "", /`when` is missing/, /when: always/],
		["encrypt: { wen: always }", "", /unknown key `wen`/, /`when`/],
		[
			"encrypt: { when: always, algorithm: des }",
			"",
			/`algorithm` cannot be `des`/,
			/aes-gcm-256/,
		],
		[
			"encrypt: { when: always, rekey: { seconds: 0 } }",
			"",
			/`seconds` is 0/,
			/1 to/,
		],
		["integrity: all", "", /`integrity` cannot be `all`/, /header/],
		[
			"encrypt: { when: always, except: [vidoe] }",
			"",
			/there is no flow class `vidoe`/,
			/`video`/,
		],
		[
			"encrypt: { when: always, except: [video, video] }",
			"",
			/`video` is listed twice/,
			/remove/,
		],
		[
			"encrypt: { when: never, except: [video] }",
			"",
			/nothing can be excepted/,
			/between-nodes/,
		],
		[
			"encrypt: { when: never, protect: true }",
			"",
			/only encrypted policies are protected/,
			/between-nodes/,
		],
		[
			"encrypt: always",
			"match(*) >> pass",
			/a policy that says `pass` has no hops/,
			/in the clear/,
		],
		[
			"integrity: header",
			"match(*) >> drop",
			/a policy that says `drop` has no hops/,
			/remove `integrity`/,
		],
		[
			"encrypt: always",
			"match(*) >> fw -> box",
			/function `box` is external/,
			/between-nodes/,
		],
		[
			"encrypt: { when: always, except: [video] }",
			"match(proto=tcp) >> fw",
			/no packet of the policy is of class `video`/,
			/match/,
		],
	];
	for (const [spec, rule, message, hint] of bad)
		test(`${spec} ${rule}: ${message.source}`, () => {
			const { problems } = read(policy(spec, rule || undefined));
			assert.equal(problems.length, 1, JSON.stringify(problems));
			assert.match(problems[0]?.message ?? "", message);
			assert.match(problems[0]?.hint ?? "", hint);
			assert.ok(problems[0]?.line, "it has a place");
		});

	test("what an external function gets is accepted by saying so", () => {
		const spec = "encrypt: between-nodes";
		const { problems } = read(policy(spec, "match(*) >> fw -> box"));
		assert.deepEqual(problems, []);
	});

	test("between-domains where all nodes are of one is warned of", () => {
		const { intent } = read(policy("encrypt: between-domains"));
		const nodes = new Map(
			[...intent.nodes].map(([name, { spec, ...node }]) => {
				const { domain: _, ...rest } = spec;
				return [name, { ...node, spec: rest }];
			}),
		);
		const [found, ...more] = checkIntent({ ...intent, nodes });
		assert.equal(found?.severity, "warning");
		assert.match(found?.message ?? "", /one trust domain/);
		assert.deepEqual(more, []);
	});

	test("a word stands for all that can be said", () => {
		assert.deepEqual(encryptionOf({ encrypt: "always" }), {
			when: "always",
			except: [],
			algorithm: "aes-gcm-256",
			protect: false,
			integrity: "off",
		});
	});
});

describe("flow classes", () => {
	test("a predicate that is none is told where it stands", () => {
		const { problems } = read(
			"kind: FlowClass\nname: x\nspec:\n  match: match(proto=tcp)\n",
		);
		assert.match(problems[0]?.message ?? "", /stands without `match`/);
		const wrong = read(
			"kind: FlowClass\nname: x\nspec:\n  match: proto=tpc\n",
		).problems;
		assert.match(wrong[0]?.hint ?? "", /`tcp`/);
		const unknown = read(
			"kind: FlowClass\nname: x\nspec:\n  match: tenant=u\n",
		).problems;
		assert.match(unknown[0]?.message ?? "", /there is no tenant `u`/);
	});

	test("one that a policy excepts cannot be deleted", () => {
		const { intent } = read(
			policy("encrypt: { when: always, except: [video] }"),
		);
		const kept = removeDocument(intent, "FlowClass", "video");
		assert.ok(!kept.ok && /still used by Policy p/.test(kept.message));
		assert.ok(removeDocument(intent, "FlowClass", "mail").ok);
	});

	test("what is not declared is no exception: its packets are encrypted", () => {
		const { intent } = read(
			policy("encrypt: { when: always, except: [video, mail] }"),
		);
		const [found] = intent.policies.values();
		assert.ok(found);
		const none = { flowClasses: new Map() };
		const classes = (of: typeof none) =>
			partsOf(found, of).map((one) => one.flowClass);
		assert.deepEqual(classes(intent as never), ["p/video", "p/mail", "p"]);
		assert.deepEqual(classes(none), ["p"]);
	});
});

describe("conflicts", () => {
	const messages = (more: string) =>
		findConflicts(read(more).intent).findings.map((one) => one.message);
	const named = (name: string, text: string) =>
		text.replace("name: p", `name: ${name}`);

	test("a policy and its own exceptions are not in conflict", () => {
		const spec = "encrypt: { when: always, except: [video, mail] }";
		assert.deepEqual(messages(policy(spec)), []);
	});

	test("two policies that differ in encryption alone are", () => {
		const both = [
			named("a", policy("encrypt: always")),
			named("b", policy("encrypt: never", "match(proto=udp) >> fw")),
		].join("---\n");
		assert.match(messages(both)[0] ?? "", /different actions \(encryption\)/);
		const same = [
			named("a", policy("encrypt: always", "match(dport=25) >> fw")),
			named("b", policy("encrypt: always", "match(proto=tcp) >> fw")),
		].join("---\n");
		assert.deepEqual(messages(same), []);
	});

	test("exceptions that leave nothing, or have nothing, are told", () => {
		const all = policy(
			"encrypt: { when: always, except: [video] }",
			"match(proto=udp & dport=5004) >> fw",
		);
		assert.match(
			messages(all)[0] ?? "",
			/^policy `p` is never reached: `p\/video` takes all its packets/,
		);
		const hidden = [
			named("a", policy("priority: 200", "match(proto=udp) >> fw")),
			named("b", policy("encrypt: { when: always, except: [video] }")),
		].join("---\n");
		assert.match(
			messages(hidden)[0] ?? "",
			/^exception `video` of policy `b` is never reached: `a` takes/,
		);
	});
});
