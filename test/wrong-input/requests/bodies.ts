/** Bodies that are no JSON, or no request to apply. */
import { post, SEE_OPENAPI, type WrongRequest } from "./request.js";

export const bodies: readonly WrongRequest[] = [
	{
		title: "body is no JSON",
		input: { method: "POST", path: "/v1/apply", raw: '{"documents": [' },
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"request: Body is not valid JSON but content-type is set to 'application/json' (send JSON as application/json)",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "body is empty",
		input: { method: "POST", path: "/v1/apply", raw: "" },
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"request: Body cannot be empty when content-type is set to 'application/json' (send JSON as application/json)",
			hint: SEE_OPENAPI,
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
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "documents are missing",
		input: post("/v1/apply", {}),
		code: "invalid_request",
		expect: {
			place: "",
			message: "must have required properties documents",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "documents are an object",
		input: post("/v1/apply", { documents: { kind: "Tenant" } }),
		code: "invalid_request",
		expect: {
			place: "/documents",
			message: "must be array",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "misspelt key beside documents",
		input: post("/v1/apply", { documents: [], dryrun: true }),
		code: "invalid_request",
		expect: {
			place: "/dryrun",
			message: "unknown key `dryrun`",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "dryRun is a word",
		input: post("/v1/apply", { documents: [], dryRun: "yes" }),
		code: "invalid_request",
		expect: {
			place: "/dryRun",
			message: "must be boolean",
			hint: SEE_OPENAPI,
		},
	},
];
