/** Documents inside a request to apply: the place is a pointer from the body's root. */
import { apply, type WrongRequest } from "./request.js";

export const documents: readonly WrongRequest[] = [
	{
		title: "a document is null",
		input: apply(null),
		code: "invalid_document",
		expect: {
			place: "/documents/0",
			message: "a document is a mapping, not empty",
			hint: "begin with `kind:`, `name:` and `spec:`",
		},
	},
	{
		title: "unknown kind",
		input: apply({ kind: "Tenent", name: "x", spec: {} }),
		code: "invalid_document",
		expect: {
			place: "/documents/0/kind",
			message: "unknown kind `Tenent`",
			hint: "did you mean `Tenant`?",
		},
	},
	{
		title: "a mapping with no text of its own where a word belongs",
		input: apply({
			kind: "Policy",
			name: "p",
			spec: { rule: "match() >> drop", onChange: { toString: null } },
		}),
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/onChange",
			message: "`onChange` must be a word, not a mapping",
			hint: "known: resteer, keep",
		},
	},
	{
		title: "misspelt key deep in the second document",
		input: apply(
			{ kind: "Tenant", name: "x", spec: { subnets: ["10.9.0.0/16"] } },
			{
				kind: "Policy",
				name: "p",
				spec: { rule: "match() >> drop", prioriti: 3 },
			},
		),
		code: "invalid_document",
		expect: {
			place: "/documents/1/spec/prioriti",
			message: "unknown key `prioriti`",
			hint: "did you mean `priority`?",
		},
	},
	{
		title: "prefix with host bits",
		input: apply({
			kind: "Tenant",
			name: "x",
			spec: { subnets: ["10.9.0.1/16"] },
		}),
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/subnets/0",
			message: "`10.9.0.1/16` has host bits set",
			hint: "did you mean `10.9.0.0/16`?",
		},
	},
	{
		title: "rule that does not parse, with the place in it",
		input: apply({
			kind: "Policy",
			name: "p",
			spec: { rule: "match(dport=99999) >> drop" },
		}),
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/rule",
			message: "99999 is not a port",
			hint: "a port is 1 to 65535",
		},
	},
	{
		title: "policy of a tenant that is not there",
		input: apply({
			kind: "Policy",
			name: "p",
			spec: { tenant: "acne", rule: "match() >> drop" },
		}),
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/tenant",
			message: "there is no tenant `acne`",
			hint: "did you mean `acme`?",
		},
	},
	{
		title: "the same document twice",
		input: apply(
			{ kind: "Tenant", name: "x", spec: { subnets: ["10.9.0.0/16"] } },
			{ kind: "Tenant", name: "x", spec: { subnets: ["10.8.0.0/16"] } },
		),
		code: "invalid_document",
		expect: {
			place: "/documents/1/name",
			message: "Tenant `x` is declared twice",
			hint: "the first is at /0/name; give this one another name",
		},
	},
];
