/** What a tenant's token may not declare: others' things, too high, or too much. */
import { applyAs, type WrongRequest } from "./request.js";

const own = (name: string, rule: string, more: object = {}) => ({
	kind: "Policy",
	name,
	spec: { tenant: "acme", rule, ...more },
});

export const tenants: readonly WrongRequest[] = [
	{
		title: "tenant's policy with an operator's priority",
		input: applyAs(
			"acme",
			own("high", "match() >> pass", { priority: 30_000 }),
		),
		code: "forbidden",
		expect: {
			place: "",
			message:
				"change Policy high: priority 30000 is for operators (a tenant's policies have 0 to 29999)",
			hint: "Use a token of an operator or admin, or of the tenant concerned.",
		},
	},
	{
		title: "tenant's policy for everybody",
		input: applyAs("acme", {
			kind: "Policy",
			name: "all",
			spec: { rule: "match() >> drop" },
		}),
		code: "forbidden",
		expect: {
			place: "",
			message:
				"change Policy all: the policy must say `tenant: acme` (add it to its spec)",
			hint: "Use a token of an operator or admin, or of the tenant concerned.",
		},
	},
	{
		title: "tenant's policies beyond their number",
		input: applyAs(
			"acme",
			...Array.from({ length: 1001 }, (_, i) =>
				own(`p${i}`, `match(dport=${i + 1}) >> drop`),
			),
		),
		code: "quota_exceeded",
		expect: {
			place: "",
			message:
				"apply: tenant acme would have 1002 policies, at most 1000 (delete some, or join their rules with `|`)",
			hint: "Delete or simplify policies of the tenant, or ask an operator to declare them.",
		},
	},
	{
		title: "tenant's policies with too many masks",
		input: applyAs(
			"acme",
			own("wide", "match(proto=tcp & sport=1-65534 & dport=1-65534) >> drop"),
		),
		code: "quota_exceeded",
		expect: {
			place: "",
			message:
				"apply: tenant acme would have 226 different combinations of prefix lengths and ranges, at most 64 (use fewer kinds of predicates)",
			hint: "Delete or simplify policies of the tenant, or ask an operator to declare them.",
		},
	},
	{
		title: "tenant's policies that take long to compile",
		input: applyAs(
			"acme",
			...Array.from({ length: 2 }, (_, i) =>
				own(
					`hard${i}`,
					`match(~(${Array.from({ length: 12 }, (_, n) => `(src=10.0.${n + i}.0/24 & dport=${n * 3 + 1} & sport=${n * 5 + 7})`).join(" | ")})) >> drop`,
				),
			),
		),
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/rule",
			message: "predicate expands to more than 4096 alternatives",
			hint: "split it into several policies, or use fewer negated prefixes and ranges",
		},
	},
	{
		title: "tenant's documents that are too long to read",
		input: applyAs(
			"acme",
			...Array.from({ length: 20 }, (_, i) =>
				own(`long${i}`, `match(${"~".repeat(16_000)}dport=1) >> drop`),
			),
		),
		code: "quota_exceeded",
		expect: {
			place: "",
			message:
				"apply: the documents have 321811 characters, at most 262144 of a tenant's are read at once (apply fewer at a time)",
			hint: "Delete or simplify policies of the tenant, or ask an operator to declare them.",
		},
	},
];
