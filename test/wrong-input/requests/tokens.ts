/** Tokens that may not be made, and one that was never given. */
import { post, SEE_OPENAPI, type WrongRequest } from "./request.js";

export const tokens: readonly WrongRequest[] = [
	{
		title: "token with an unknown role",
		input: post("/v1/tokens", { name: "x", role: "root" }),
		code: "invalid_request",
		expect: {
			place: "/role",
			message: "must be equal to constant",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "tenant's token without a tenant",
		input: post("/v1/tokens", { name: "x", role: "tenant" }),
		code: "invalid_request",
		expect: {
			place: "",
			message:
				"token: `tenant` goes with the role tenant, and only with it (name the tenant, or choose another role)",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "join token for a name no node can have",
		input: post("/v1/join-tokens", { node: "Edge 1" }),
		code: "invalid_request",
		expect: {
			place: "/node",
			message: "must be lower-case letters, digits and dashes",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "join with a secret that was never given",
		input: post("/agent/v1/join", {
			node: "edge1",
			secret: "AAAAAAAAAAAAAAAAAAAAAAAA",
			csr: "x",
		}),
		code: "join_token_invalid",
		expect: {
			place: "",
			message:
				"join edge1: the token is unknown, used, expired or of another node (make a new one with `chainmail token join edge1`)",
			hint: "Make a new one: `chainmail token join NODE`.",
		},
	},
];
