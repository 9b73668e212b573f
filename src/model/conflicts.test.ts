import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { applyDocuments, comparePolicies, emptyIntent } from "./change.js";
import { conflictProblems, type Finding, findConflicts } from "./conflicts.js";
import type { Intent, IntentDocument, PolicyDocument } from "./intent.js";
import { packetNear, predicates } from "./language/arbitraries.js";
import { evaluate, parseRule, printPredicate } from "./language/index.js";
import { formatProblem } from "./problem.js";

const policy = (
	name: string,
	rule: string,
	spec: { priority?: number; tenant?: string } = {},
): PolicyDocument => ({ kind: "Policy", name, spec: { rule, ...spec } });

function intentOf(
	policies: readonly IntentDocument[],
	tenants: readonly string[] = ["blue"],
): Intent {
	const made = tenants.map(
		(name): IntentDocument => ({
			kind: "Tenant",
			name,
			spec: { subnets: ["10.0.1.0/24"] },
		}),
	);
	return applyDocuments(emptyIntent, [...made, ...policies]).intent;
}

function predicateOf(intent: Intent, name: string) {
	const parsed = parseRule(intent.policies.get(name)?.spec.rule ?? "");
	assert.ok(parsed.ok);
	return parsed.rule.predicate;
}

function assertWitness(intent: Intent, finding: Finding): void {
	const { policy, by, witness } = finding;
	assert.ok(evaluate(predicateOf(intent, policy), witness), finding.message);
	assert.ok(by.some((name) => evaluate(predicateOf(intent, name), witness)));
	const hasPorts = [6, 17, 132].includes(witness.proto);
	assert.ok(hasPorts || (witness.sport === 0 && witness.dport === 0));
}

type Row = [string, PolicyDocument[], string[]];
const rows: Row[] = [
	[
		"disjoint policies",
		[
			policy("a", "match(dport=80) >> pass"),
			policy("b", "match(dport=443) >> drop"),
		],
		[],
	],
	[
		"overlap at equal priority",
		[
			policy("a", "match(dport=80) >> pass"),
			policy("b", "match(src=10.0.0.0/8) >> drop"),
		],
		["conflict b by a"],
	],
	[
		"overlap with the same action",
		[
			policy("a", "match(dport=80) >> drop"),
			policy("b", "match(src=10.0.0.0/8) >> drop"),
		],
		[],
	],
	[
		"overlap at different priority",
		[
			policy("a", "match(dport=80) >> pass"),
			policy("b", "match(src=10.0.0.0/8) >> drop", { priority: 7 }),
		],
		[],
	],
	[
		"one covers another",
		[
			policy("a", "match(src=10.0.0.0/8) >> pass", { priority: 200 }),
			policy("b", "match(src=10.1.0.0/16 & proto=tcp) >> drop"),
		],
		["shadowed b by a"],
	],
	[
		"two halves cover a whole",
		[
			policy("a", "match(src=10.0.0.0/9) >> pass", { priority: 200 }),
			policy("b", "match(src=10.128.0.0/9) >> drop", { priority: 200 }),
			policy("c", "match(src=10.0.0.0/8) >> pass"),
		],
		["shadowed c by a,b"],
	],
	[
		"both families cover all",
		[
			policy("a", "match(src=0.0.0.0/0) >> pass", { priority: 200 }),
			policy("b", "match(dst=::/0) >> pass", { priority: 200 }),
			policy("c", "match(*) >> drop"),
		],
		["shadowed c by a,b"],
	],
	[
		"a negation and its complement",
		[
			policy("a", "match(dport=80) >> pass", { priority: 200 }),
			policy("b", "match(dport!=80) >> pass", { priority: 200 }),
			policy("c", "match(proto=tcp) >> drop"),
		],
		["shadowed c by a,b"],
	],
	[
		"almost covered",
		[
			policy("a", "match(dport=1-79) >> pass", { priority: 200 }),
			policy("b", "match(dport=81-65535) >> pass", { priority: 200 }),
			policy("c", "match(dport=1-65535) >> drop"),
		],
		[],
	],
	[
		"ICMP has no ports",
		[
			policy("a", "match(proto=icmp) >> pass"),
			policy("b", "match(dport=80) >> drop"),
		],
		[],
	],
	[
		"tenants apart",
		[
			policy("a", "match(*) >> pass", { tenant: "blue" }),
			policy("b", "match(tenant=red) >> drop"),
		],
		[],
	],
	[
		"a tenant in both",
		[
			policy("a", "match(tenant={red, blue}) >> pass"),
			policy("b", "match(tenant=red) >> drop"),
		],
		["conflict b by a", "shadowed b by a"],
	],
];

describe("findConflicts", () => {
	for (const [title, policies, expected] of rows)
		test(title, () => {
			const intent = intentOf(policies, ["blue", "red"]);
			const { findings, complete } = findConflicts(intent);
			assert.ok(complete);
			assert.deepEqual(
				findings.map((f) => `${f.kind} ${f.policy} by ${f.by.join()}`),
				expected,
			);
			for (const finding of findings) assertWitness(intent, finding);
		});

	test("reads like a warning with a packet to try", () => {
		const {
			problems: [problem],
		} = conflictProblems(
			intentOf([
				policy("a", "match(dport=80) >> pass"),
				policy("b", "match(proto=tcp) >> drop"),
			]),
		);
		assert.ok(problem);
		assert.equal(
			formatProblem(problem),
			"Policy b /spec/rule: warning: policies `b` and `a` have priority 100 and overlap, with different actions; `a` wins by name\n  for example tenant blue src 10.0.1.5 dst 198.51.100.5 proto tcp sport 40000 dport 80",
		);
	});

	test("findings are true, on random policies and packets", () => {
		let conflicts = 0;
		let shadowed = 0;
		const random = fc.array(
			fc.tuple(predicates(1), fc.integer({ min: 1, max: 3 }), fc.boolean()),
			{ minLength: 2, maxLength: 6 },
		);
		fc.assert(
			fc.property(random, fc.infiniteStream(fc.nat()), (parts, stream) => {
				const intent = intentOf(
					parts.map(([predicate, priority, drop], i) =>
						policy(
							`p${i}`,
							`match(${printPredicate(predicate)}) >> ${drop ? "drop" : "pass"}`,
							{ priority },
						),
					),
				);
				const order = [...intent.policies.values()].sort(comparePolicies);
				for (const finding of findConflicts(intent).findings) {
					assertWitness(intent, finding);
					if (finding.kind === "conflict") {
						conflicts++;
						continue;
					}
					shadowed++;
					const mine = predicateOf(intent, finding.policy);
					const at = order.findIndex((p) => p.name === finding.policy);
					for (let i = 0; i < 20; i++) {
						const below = (n: number) => (stream.next().value ?? 0) % n;
						const packet = { ...packetNear(mine, below), tenant: "blue" };
						if (!evaluate(mine, packet)) continue;
						const earlier = order
							.slice(0, at)
							.some((p) => evaluate(predicateOf(intent, p.name), packet));
						assert.ok(earlier, `${finding.message} ${JSON.stringify(packet)}`);
					}
				}
			}),
			{ numRuns: 500 },
		);
		assert.ok(conflicts > 50 && shadowed > 50, `${conflicts} ${shadowed}`);
	});

	test("a search that takes too long ends in time, and says so", () => {
		const hostile = Array.from({ length: 200 }, (_, i) =>
			policy(
				`p${i}`,
				`match(proto=tcp & sport=${1 + (i % 7)}-65534 & dport=1-65534) >> drop`,
			),
		);
		const intent = intentOf(hostile);
		const start = performance.now();
		const { complete } = findConflicts(intent, { forMs: 100 });
		const ms = performance.now() - start;
		assert.ok(!complete);
		assert.ok(ms < 1000, `took ${ms} ms`);
	});

	test("a search among one tenant's policies finds those of all tenants, too", () => {
		const intent = intentOf(
			[
				policy("a", "match(dport=80) >> drop", { tenant: "blue" }),
				policy("b", "match(dport=80) >> pass"),
				policy("c", "match(dport=81) >> drop", { tenant: "red" }),
				policy("d", "match(dport=81) >> pass", { tenant: "red" }),
			],
			["blue", "red"],
		);
		const of = (tenant: string) =>
			findConflicts(intent, { tenant })
				.findings.filter(({ kind }) => kind === "conflict")
				.map((one) => `${one.tenant} ${one.policy}`);
		assert.deepEqual(of("blue"), ["blue b"]);
		assert.deepEqual(of("red"), ["red d"]);
	});

	test("10,000 policies take a few seconds", { timeout: 30_000 }, () => {
		const policies = Array.from({ length: 10_000 }, (_, i) =>
			policy(
				`p${i}`,
				`match(src=10.${i >> 8}.${i & 255}.0/${i % 3 ? 24 : 25} & proto=${i % 2 ? "tcp" : "udp"} & dport=${1 + (i % 50)}) >> ${i % 5 ? "pass" : "drop"}`,
				{ priority: i % 7 },
			),
		);
		policies.push(
			policy("late", "match(src=10.3.3.0/26 & proto=tcp & dport=22) >> drop", {
				priority: 0,
			}),
		);
		policies.push(
			policy("high", "match(src=10.3.0.0/16 & proto=tcp) >> pass", {
				priority: 9,
			}),
		);
		const start = performance.now();
		const { findings, complete } = findConflicts(intentOf(policies));
		const seconds = (performance.now() - start) / 1000;
		assert.ok(complete && findings.some((f) => f.policy === "late"));
		assert.ok(seconds < 15, `took ${seconds} s`);
	});
});
