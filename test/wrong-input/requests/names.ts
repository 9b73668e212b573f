/** Routes, names and queries: what is not there, not so written, or still in use. */
import { get, remove, SEE_OPENAPI, type WrongRequest } from "./request.js";

export const names: readonly WrongRequest[] = [
	{
		title: "no such route",
		input: get("/v1/tenents"),
		code: "route_not_found",
		expect: {
			place: "",
			message: "GET /v1/tenents: no such route (see /openapi.json)",
			hint: "GET /openapi.json lists all routes.",
		},
	},
	{
		title: "name with a path in it",
		input: get("/v1/nodes/..%2f..%2fetc"),
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
		input: remove("/v1/policies/nothing"),
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
		input: remove("/v1/functions/firewall"),
		code: "in_use",
		expect: {
			place: "",
			message: "Policy blue-all refers to it",
			hint: "Delete or change what refers to it first, or in the same apply.",
		},
	},
	{
		title: "SPI that is no number",
		input: get("/v1/paths/abc"),
		code: "invalid_request",
		expect: {
			place: "/spi",
			message: "must be integer",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "limit of zero",
		input: get("/v1/flows?limit=0"),
		code: "invalid_request",
		expect: {
			place: "/limit",
			message: "must be >= 1",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "filter that does not exist",
		input: get("/v1/flows?source=10.0.0.1"),
		code: "invalid_request",
		expect: {
			place: "/source",
			message: "unknown key `source`",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "flows from what is no address",
		input: get("/v1/flows?src=10.0.0.0/40"),
		code: "invalid_request",
		expect: {
			place: "/src",
			message: "`10.0.0.0/40` is no address or prefix",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "flows of a tenant that is not there",
		input: get("/v1/flows?tenant=nope"),
		code: "not_found",
		expect: {
			place: "",
			message:
				"get flows: there is no tenant nope (list them with `chainmail get tenants`)",
			hint: "List the kind with `chainmail get KIND`.",
		},
	},
];
