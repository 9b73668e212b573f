/** Packets to trace that cannot be. */
import { post, SEE_OPENAPI, type WrongRequest } from "./request.js";

export const trace: readonly WrongRequest[] = [
	{
		title: "trace with a malformed address",
		input: post("/v1/trace", {
			tenant: "acme",
			src: "10.0.1.300",
			dst: "10.0.0.1",
			proto: "tcp",
		}),
		code: "invalid_request",
		expect: {
			place: "/src",
			message: "`10.0.1.300` is no IPv4 or IPv6 address",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "trace with two address families",
		input: post("/v1/trace", {
			tenant: "acme",
			src: "10.0.1.3",
			dst: "2001:db8::1",
			proto: "tcp",
		}),
		code: "invalid_request",
		expect: {
			place: "/dst",
			message: "is not of the family of 10.0.1.3",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "trace of a ping with ports",
		input: post("/v1/trace", {
			tenant: "acme",
			src: "10.0.1.3",
			dst: "10.0.0.1",
			proto: "icmp",
			dport: 80,
		}),
		code: "invalid_request",
		expect: {
			place: "/dport",
			message: "does not go with icmp: it has no ports",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "trace of a ping of the other family",
		input: post("/v1/trace", {
			tenant: "acme",
			src: "2001:db8::1",
			dst: "2001:db8::2",
			proto: "icmp",
		}),
		code: "invalid_request",
		expect: {
			place: "/proto",
			message: "icmp does not go with IPv6: that has icmpv6",
			hint: SEE_OPENAPI,
		},
	},
	{
		title: "trace of an unknown tenant",
		input: post("/v1/trace", {
			tenant: "nobody",
			src: "10.0.1.3",
			dst: "10.0.0.1",
			proto: "tcp",
		}),
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
		input: post("/v1/trace", {
			tenant: "acme",
			src: "10.0.1.3",
			dst: "10.0.0.1",
			proto: "tcp",
			dport: 70000,
		}),
		code: "invalid_request",
		expect: {
			place: "/dport",
			message: "must be <= 65535",
			hint: SEE_OPENAPI,
		},
	},
];
