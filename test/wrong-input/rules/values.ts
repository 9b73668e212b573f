/** Values of tests: ports, protocols, addresses, and sets of them. Runner: ../model.test.ts. */
import type { WrongInput } from "../row.js";

export const values: readonly WrongInput[] = [
	{
		title: "a port too large",
		input: "match(dport=80000) >> pass",
		expect: {
			place: "4:21",
			message: "80000 is not a port",
			hint: "a port is 1 to 65535",
		},
	},
	{
		title: "port zero",
		input: "match(dport=0) >> pass",
		expect: {
			place: "4:21",
			message: "0 is not a port",
			hint: "a port is 1 to 65535",
		},
	},
	{
		title: "a range from zero",
		input: "match(dport=0-1023) >> pass",
		expect: {
			place: "4:21",
			message: "0 is not a port",
			hint: "did you mean `1-1023`?",
		},
	},
	{
		title: "a range backwards",
		input: "match(dport=2000-1000) >> pass",
		expect: {
			place: "4:21",
			message: "range `2000-1000` is backwards",
			hint: "did you mean `1000-2000`?",
		},
	},
	{
		title: "a service name as port",
		input: "match(dport=https) >> pass",
		expect: {
			place: "4:21",
			message: "`https` is not a port",
			hint: "did you mean `443`? ports are numbers",
		},
	},
	{
		title: "an unknown protocol",
		input: "match(proto=tpc) >> pass",
		expect: {
			place: "4:21",
			message: "`tpc` is not a protocol",
			hint: "did you mean `tcp`?",
		},
	},
	{
		title: "a DSCP out of range",
		input: "match(dscp=64) >> pass",
		expect: {
			place: "4:20",
			message: "64 is not a DSCP",
			hint: "a DSCP is 0 to 63",
		},
	},
	{
		title: "an unknown DSCP",
		input: "match(dscp=af14) >> pass",
		expect: {
			place: "4:20",
			message: "`af14` is not a DSCP",
			hint: "did you mean `af11`?",
		},
	},
	{
		title: "an unknown ICMP type",
		input: "match(icmp-type=echo-requst) >> pass",
		expect: {
			place: "4:25",
			message: "`echo-requst` is not an ICMP type",
			hint: "did you mean `echo-request`?",
		},
	},
	{
		title: "host bits in a prefix",
		input: "match(src=10.0.1.5/24) >> pass",
		expect: {
			place: "4:19",
			message: "`10.0.1.5/24` has host bits set",
			hint: "did you mean `10.0.1.0/24`?",
		},
	},
	{
		title: "half an address",
		input: "match(src=10.0.1) >> pass",
		expect: {
			place: "4:19",
			message: "`10.0.1` is not an address",
			hint: "did you mean `10.0.1.0/24`?",
		},
	},
	{
		title: "an address out of range",
		input: "match(src=10.0.0.256) >> pass",
		expect: {
			place: "4:19",
			message: "`10.0.0.256` is not an address",
			hint: "each part of an IPv4 address is 0 to 255",
		},
	},
	{
		title: "an IPv6 prefix too long",
		input: "match(dst=2001:db8::/129) >> pass",
		expect: {
			place: "4:19",
			message: "`2001:db8::/129` is not a prefix",
			hint: "the length of an IPv6 prefix is 0 to 128",
		},
	},
	{
		title: "addresses backwards",
		input: "match(src=10.0.0.9-10.0.0.1) >> pass",
		expect: {
			place: "4:19",
			message: "range `10.0.0.9-10.0.0.1` is backwards",
			hint: "did you mean `10.0.0.1-10.0.0.9`?",
		},
	},
	{
		title: "a range over two families",
		input: "match(src=10.0.0.1-::1) >> pass",
		expect: {
			place: "4:19",
			message: "a range cannot go from IPv4 to IPv6",
			hint: "write two ranges in a set { … , … }",
		},
	},
	{
		title: "an open set",
		input: "match(dport={80, 443) >> pass",
		expect: {
			place: "4:29",
			message: "`)` is not expected here",
			hint: "separate values by `,` and close the set with `}`",
		},
	},
	{
		title: "an empty set",
		input: "match(dport={}) >> pass",
		expect: {
			place: "4:22",
			message: "`}` is not expected here",
			hint: "dport wants a value here",
		},
	},
	{
		title: "a set in brackets",
		input: "match(dport=[80, 443]) >> pass",
		expect: {
			place: "4:21",
			message: "`[` has no meaning in a rule",
			hint: "did you mean `{`? sets are written {80, 443}",
		},
	},
	{
		title: "quotes",
		input: "match(tenant='blue') >> pass",
		expect: {
			place: "4:22",
			message: "`'` has no meaning in a rule",
			hint: "names and values stand without quotes",
		},
	},
];
