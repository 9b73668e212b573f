/**
 * Requests to the API of the network in src/main/testing/network.ts. The place
 * is a JSON pointer into the body, the query or the path's parameters.
 * Runner: api.test.ts.
 */
import type { WrongInput } from "./row.js";

export interface ApiInput {
	readonly method: "GET" | "POST" | "DELETE";
	readonly path: string;
	readonly body?: unknown;
	/** A body as it stands, instead of JSON of `body`. */
	readonly raw?: string;
}

export interface WrongRequest extends WrongInput<ApiInput> {
	/** Of the error registry. */
	readonly code: string;
}

export const requests: readonly WrongRequest[] = [
	{
		title: "body is no JSON",
		input: {
			method: "POST",
			path: "/v1/apply",
			raw: '{"documents": [',
		},
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"request: Body is not valid JSON but content-type is set to 'application/json' (send JSON as application/json)",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "body is empty",
		input: {
			method: "POST",
			path: "/v1/apply",
			raw: "",
		},
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"request: Body cannot be empty when content-type is set to 'application/json' (send JSON as application/json)",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "body would pollute prototypes",
		input: {
			method: "POST",
			path: "/v1/apply",
			raw: '{"documents": [], "__proto__": {"role": "admin"}}',
		},
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"request: Body is not valid JSON but content-type is set to 'application/json' (send JSON as application/json)",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "documents are missing",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {},
		},
		code: "invalid_request",
		expect: {
			place: "",
			message: "must have required properties documents",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "documents are an object",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: {
					kind: "Tenant",
				},
			},
		},
		code: "invalid_request",
		expect: {
			place: "/documents",
			message: "must be array",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "misspelt key beside documents",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [],
				dryrun: true,
			},
		},
		code: "invalid_request",
		expect: {
			place: "/dryrun",
			message: "unknown key `dryrun`",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "dryRun is a word",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [],
				dryRun: "yes",
			},
		},
		code: "invalid_request",
		expect: {
			place: "/dryRun",
			message: "must be boolean",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "a document is null",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [null],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/0",
			message: "a document is a mapping, not empty",
			hint: "begin with `kind:`, `name:` and `spec:`",
		},
	},
	{
		title: "unknown kind",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [
					{
						kind: "Tenent",
						name: "x",
						spec: {},
					},
				],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/0/kind",
			message: "unknown kind `Tenent`",
			hint: "did you mean `Tenant`?",
		},
	},
	{
		title: "misspelt key deep in the second document",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [
					{
						kind: "Tenant",
						name: "x",
						spec: {
							subnets: ["10.9.0.0/16"],
						},
					},
					{
						kind: "Policy",
						name: "p",
						spec: {
							rule: "match() >> drop",
							prioriti: 3,
						},
					},
				],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/1/spec/prioriti",
			message: "unknown key `prioriti`",
			hint: "did you mean `priority`?",
		},
	},
	{
		title: "prefix with host bits",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [
					{
						kind: "Tenant",
						name: "x",
						spec: {
							subnets: ["10.9.0.1/16"],
						},
					},
				],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/subnets/0",
			message: "`10.9.0.1/16` has host bits set",
			hint: "did you mean `10.9.0.0/16`?",
		},
	},
	{
		title: "rule that does not parse, with the place in it",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [
					{
						kind: "Policy",
						name: "p",
						spec: {
							rule: "match(dport=99999) >> drop",
						},
					},
				],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/rule",
			message: "99999 is not a port",
			hint: "a port is 1 to 65535",
		},
	},
	{
		title: "policy of a tenant that is not there",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [
					{
						kind: "Policy",
						name: "p",
						spec: {
							tenant: "acne",
							rule: "match() >> drop",
						},
					},
				],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/0/spec/tenant",
			message: "there is no tenant `acne`",
			hint: "did you mean `acme`?",
		},
	},
	{
		title: "the same document twice",
		input: {
			method: "POST",
			path: "/v1/apply",
			body: {
				documents: [
					{
						kind: "Tenant",
						name: "x",
						spec: {
							subnets: ["10.9.0.0/16"],
						},
					},
					{
						kind: "Tenant",
						name: "x",
						spec: {
							subnets: ["10.8.0.0/16"],
						},
					},
				],
			},
		},
		code: "invalid_document",
		expect: {
			place: "/documents/1/name",
			message: "Tenant `x` is declared twice",
			hint: "the first is at /0/name; give this one another name",
		},
	},
	{
		title: "no such route",
		input: {
			method: "GET",
			path: "/v1/tenents",
		},
		code: "route_not_found",
		expect: {
			place: "",
			message: "GET /v1/tenents: no such route (see /openapi.json)",
			hint: "GET /openapi.json lists all routes.",
		},
	},
	{
		title: "name with a path in it",
		input: {
			method: "GET",
			path: "/v1/nodes/..%2f..%2fetc",
		},
		code: "not_found",
		expect: {
			place: "",
			message:
				"get node ../../etc: there is none of that name (list them with `chainmail get`)",
			hint: "List the kind with `chainmail get KIND`.",
		},
	},
	{
		title: "delete of what is not there",
		input: {
			method: "DELETE",
			path: "/v1/policies/nothing",
		},
		code: "not_found",
		expect: {
			place: "",
			message:
				"delete Policy nothing: there is none of that name (list them with `chainmail get`)",
			hint: "List the kind with `chainmail get KIND`.",
		},
	},
	{
		title: "delete of what is used",
		input: {
			method: "DELETE",
			path: "/v1/functions/firewall",
		},
		code: "in_use",
		expect: {
			place: "",
			message: "Policy blue-all refers to it",
			hint: "Delete or change what refers to it first, or in the same apply.",
		},
	},
	{
		title: "SPI that is no number",
		input: {
			method: "GET",
			path: "/v1/paths/abc",
		},
		code: "invalid_request",
		expect: {
			place: "/spi",
			message: "must be integer",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "limit of zero",
		input: {
			method: "GET",
			path: "/v1/flows?limit=0",
		},
		code: "invalid_request",
		expect: {
			place: "/limit",
			message: "must be >= 1",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "filter that does not exist",
		input: {
			method: "GET",
			path: "/v1/flows?source=10.0.0.1",
		},
		code: "invalid_request",
		expect: {
			place: "/source",
			message: "unknown key `source`",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "trace with a malformed address",
		input: {
			method: "POST",
			path: "/v1/trace",
			body: {
				tenant: "acme",
				src: "10.0.1.300",
				dst: "10.0.0.1",
				proto: "tcp",
			},
		},
		code: "invalid_request",
		expect: {
			place: "/src",
			message: "`10.0.1.300` is no IPv4 or IPv6 address",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "trace with two address families",
		input: {
			method: "POST",
			path: "/v1/trace",
			body: {
				tenant: "acme",
				src: "10.0.1.3",
				dst: "2001:db8::1",
				proto: "tcp",
			},
		},
		code: "invalid_request",
		expect: {
			place: "/dst",
			message: "is not of the family of 10.0.1.3",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "trace of an unknown tenant",
		input: {
			method: "POST",
			path: "/v1/trace",
			body: {
				tenant: "nobody",
				src: "10.0.1.3",
				dst: "10.0.0.1",
				proto: "tcp",
			},
		},
		code: "not_found",
		expect: {
			place: "",
			message:
				"trace: no node has an access interface for tenant nobody (see `chainmail get nodes`)",
			hint: "List the kind with `chainmail get KIND`.",
		},
	},
	{
		title: "trace with a port beyond 65535",
		input: {
			method: "POST",
			path: "/v1/trace",
			body: {
				tenant: "acme",
				src: "10.0.1.3",
				dst: "10.0.0.1",
				proto: "tcp",
				dport: 70000,
			},
		},
		code: "invalid_request",
		expect: {
			place: "/dport",
			message: "must be <= 65535",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "token with an unknown role",
		input: {
			method: "POST",
			path: "/v1/tokens",
			body: {
				name: "x",
				role: "root",
			},
		},
		code: "invalid_request",
		expect: {
			place: "/role",
			message: "must be equal to constant",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "tenant's token without a tenant",
		input: {
			method: "POST",
			path: "/v1/tokens",
			body: {
				name: "x",
				role: "tenant",
			},
		},
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"token: `tenant` goes with the role tenant, and only with it (name the tenant, or choose another role)",
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "join token for a name no node can have",
		input: {
			method: "POST",
			path: "/v1/join-tokens",
			body: {
				node: "Edge 1",
			},
		},
		code: "invalid_request",
		expect: {
			place: "/node",
			message: 'must match pattern "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"',
			hint: "Compare with GET /openapi.json.",
		},
	},
	{
		title: "join with a secret that was never given",
		input: {
			method: "POST",
			path: "/agent/v1/join",
			body: {
				node: "edge1",
				secret: "AAAAAAAAAAAAAAAAAAAAAAAA",
				csr: "x",
			},
		},
		code: "join_token_invalid",
		expect: {
			place: "",
			message:
				"join edge1: the token is unknown, used, expired or of another node (make a new one with `chainmail token join edge1`)",
			hint: "Make a new one: `chainmail token join NODE`.",
		},
	},
];
