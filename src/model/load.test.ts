import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { allDocuments, applyDocuments, emptyIntent } from "./change.js";
import { checkIntent } from "./check.js";
import { findConflicts } from "./conflicts.js";
import { LOAD_LIMITS, loadDocuments, loadJson } from "./load.js";
import { formatProblem } from "./problem.js";
import { toYaml } from "./serialize.js";
import { isDocument, validateDocument } from "./validate.js";

const load = (text: string) => loadDocuments([{ name: "a.yaml", text }]);
const tenant = (name: string) =>
	`kind: Tenant\nname: ${name}\nspec:\n  subnets: [10.0.1.0/24]\n`;

describe("examples", () => {
	const names = readdirSync("examples").filter((n) => n.endsWith(".yaml"));
	test("there are some", () => assert.ok(names.length >= 3));
	for (const name of names)
		test(`${name} loads without problems and reads back from its YAML`, () => {
			const text = readFileSync(`examples/${name}`, "utf8");
			const { documents, sources, problems } = loadDocuments([{ name, text }]);
			assert.deepEqual(problems.map(formatProblem), []);
			const { intent } = applyDocuments(emptyIntent, documents);
			assert.deepEqual(checkIntent(intent, sources).map(formatProblem), []);
			const found = findConflicts(intent).findings.map((f) => f.message);
			// Voice to port 53 would be in two policies, but not at one priority.
			assert.deepEqual(found, []);
			const again = load(toYaml(allDocuments(intent)));
			assert.deepEqual(again.problems, []);
			assert.deepEqual(again.documents, allDocuments(intent));
		});
});

describe("loadDocuments", () => {
	test("reads several documents of several texts", () => {
		const { documents, problems } = loadDocuments([
			{ name: "a.yaml", text: `${tenant("a")}---\n${tenant("b")}` },
			{ name: "b.yaml", text: `# c\n---\n${tenant("c")}---\n` },
		]);
		assert.deepEqual(problems, []);
		assert.deepEqual(
			documents.map((d) => d.name),
			["a", "b", "c"],
		);
	});

	test("prints a problem as a compiler does", () => {
		const { problems } = load(
			"kind: Policy\nname: web\nspec:\n\n  rule: match(dprot=80) >> pass\n",
		);
		assert.equal(
			problems.map(formatProblem).join("\n"),
			[
				"a.yaml:5:15: error: unknown field `dprot`",
				"    rule: match(dprot=80) >> pass",
				"                ^~~~~",
				"  did you mean `dport`?",
			].join("\n"),
		);
	});

	test("one bad document does not hide the others", () => {
		const { documents, problems } = load(
			`${tenant("A")}---\n${tenant("b")}---\n${tenant("C")}`,
		);
		assert.equal(documents.length, 1);
		assert.equal(problems.length, 2);
	});

	const styles: [string, string, string][] = [
		["plain", "rule: match(proto=tpc) >> pass", "4:21"],
		["double-quoted", 'rule: "match(proto=tpc) >> pass"', "4:22"],
		["single-quoted", "rule: 'match(proto=tpc) >> pass'", "4:22"],
		["literal", "rule: |\n    match(\n    proto=tpc) >> pass", "6:11"],
		[
			"folded",
			"rule: >- # why\n    match(\n\n      proto=tpc) >> pass",
			"7:13",
		],
		["two-line plain", "rule: match(\n    proto=tpc) >> pass", "5:11"],
		["quoted key", '"rule": match(proto=tpc) >> pass', "4:23"],
		["escaped", 'rule: "match(\\x70roto=tpc) >> pass"', "4:9"],
		["CRLF", "rule: match(proto=tpc) >> pass\r", "4:21"],
		["anchor", "rule: &r match(proto=tpc) >> pass", "4:24"],
	];
	for (const [title, rule, place] of styles)
		test(`finds the column in a ${title} rule`, () => {
			const { problems } = load(`kind: Policy\nname: web\nspec:\n  ${rule}\n`);
			const [problem] = problems;
			assert.equal(`${problem?.line}:${problem?.column}`, place);
		});

	test("an alias repeats what its anchor holds", () => {
		const { documents, problems } = load(
			"kind: Function\nname: f\nspec:\n  attach: routed\n  runtime: process\n  instances:\n    - { name: &n edge1, node: *n }\n",
		);
		assert.deepEqual(problems, []);
		const [f] = documents;
		assert.equal(f?.kind === "Function" && f.spec.instances[0]?.node, "edge1");
	});
});

describe("hostile YAML", () => {
	const bomb = Array.from({ length: 30 }, (_, i) =>
		i === 0
			? "a0: &a0 [x, x, x, x, x, x, x, x, x]"
			: `a${i}: &a${i} [${Array(9)
					.fill(`*a${i - 1}`)
					.join(", ")}]`,
	).join("\n");
	const many = 2_000_000;
	const rows: [string, string, RegExp][] = [
		["too large", "x".repeat(LOAD_LIMITS.bytes + 1), /larger than 4 MiB/],
		["brackets", "[".repeat(many), /nesting is deeper/],
		["braces", "{a: ".repeat(many / 2), /nesting is deeper/],
		["dashes", "- ".repeat(many), /nesting is deeper/],
		["questions", "? ".repeat(many), /nesting is deeper/],
		[
			"indentation",
			Array.from({ length: 2000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
			/indentation is deeper/,
		],
		["many tokens", "- a\n".repeat(many / 2), /more than 1000000 tokens/],
		["an alias bomb", bomb, /aliases expand to too much/],
		["an alias in itself", "a: &a [*a]", /nesting is deeper/],
		[
			"many keys",
			Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join("\n"),
			/`kind` is missing/,
		],
		[
			"__proto__",
			`__proto__: { kind: Tenant }\n${tenant("a")}`,
			/cannot be a key/,
		],
		["a mapping as key", "? {a: b}\n: c\n", /cannot be a key/],
		[
			"constructor",
			`${tenant("a")}constructor: {}\n`,
			/unknown key `constructor`/,
		],
		["NUL bytes", "\0".repeat(1000), /./],
		["a tag of 1 MB", `!${"a".repeat(1_000_000)} x`, /./],
		["a JavaScript tag", 'kind: !!js/function "return 1"', /tags/],
		["a line of 1 MB", `kind: ${"x".repeat(1_000_000)}`, /unknown kind/],
		[
			"infinity",
			"kind: Policy\nname: p\nspec: { rule: match(*) >> pass, priority: .inf }",
			/whole number/,
		],
		["a lone surrogate", `kind: "\ud800"`, /unknown kind/],
	];
	for (const [title, text, message] of rows)
		test(title, { timeout: 10_000 }, () => {
			const { documents, problems } = load(text);
			assert.equal(documents.length, 0);
			assert.match(problems[0]?.message ?? "", message);
			assert.ok(problems.length <= LOAD_LIMITS.problems + 1);
			for (const problem of problems)
				assert.ok(formatProblem(problem).length < 800, "message is too long");
		});

	test("random text never throws", () => {
		const piece = fc.constantFrom(
			..."kind: Tenant name: - ? [ ] { } & * ! | > ' \" % @ ` # --- ... \n \t : , a 1 ~ &a *a <<".split(
				" ",
			),
			" ",
			"\n  ",
		);
		fc.assert(
			fc.property(fc.array(piece, { maxLength: 40 }), (parts) => {
				load(parts.join("")).problems.map(formatProblem);
			}),
			{ numRuns: 3000 },
		);
	});
});

describe("loadJson", () => {
	test("gives pointers for places", () => {
		const { problems } = loadJson("request", [
			{ kind: "Tenant", name: "a", spec: { subnets: ["10.0.0.0/8"] } },
			{ kind: "Policy", name: "p", spec: { rule: "match(dprot=1) >> pass" } },
			{ kind: "Tenant", name: "b", spec: { subnets: [7] } },
		]);
		assert.deepEqual(problems.map(formatProblem), [
			"request /1/spec/rule: error: unknown field `dprot`\n  match(dprot=1) >> pass\n        ^~~~~\n  did you mean `dport`?",
			'request /2/spec/subnets/0: error: `subnets[0]` must be text, not `7`\n  did you mean `"7"`? it needs quotes',
		]);
	});

	test("any JSON is a document or has a problem with message", () => {
		fc.assert(
			fc.property(fc.jsonValue(), (value) => {
				const { documents, problems } = loadJson("request", value);
				const empty = Array.isArray(value) && value.length === 0;
				assert.ok(documents.length + problems.length > 0 || empty);
			}),
		);
	});
});

test("explanations and compiled schemas agree on mutated documents", () => {
	const good = {
		kind: "Function",
		name: "f",
		spec: {
			attach: "routed",
			runtime: "process",
			ruleset: { text: "x" },
			probe: { proto: "udp", dport: 7 },
			instances: [{ name: "a", node: "b", weight: 2 }],
		},
	};
	assert.ok(isDocument(good));
	const junk = fc.oneof(
		fc.jsonValue({ maxDepth: 1 }),
		fc.constantFrom(undefined, "Routed", -1, 1e9, "", "x".repeat(41)),
	);
	const paths = ["attach", "runtime", "ruleset", "probe", "instances", "extra"];
	fc.assert(
		fc.property(fc.constantFrom(...paths), junk, (path, value) => {
			const made = { ...good, spec: { ...good.spec, [path]: value } };
			for (const problem of validateDocument(made))
				assert.ok(
					!/^must |schema is false/.test(problem.message),
					`not explained: ${JSON.stringify(value)} ${problem.message}`,
				);
		}),
		{ numRuns: 2000 },
	);
});
