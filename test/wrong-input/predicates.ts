/** Rules, placed as `rule: …` in line 4 of a policy. Runner: model.test.ts. */
import type { WrongInput } from "./row.js";

export const predicates: readonly WrongInput[] = [
	{
		title: "nothing",
		input: "''",
		expect: {
			place: "4:9",
			message: "`rule` must not be empty",
			hint: "rule: match(src=10.0.1.0/24 & proto=tcp) >> firewall -> monitor",
		},
	},
	{
		title: "no match",
		input: "proto=tcp >> pass",
		expect: {
			place: "4:9",
			message: "`proto` is not expected here",
			hint: "a rule begins with `match(…)`",
		},
	},
	{
		title: "a misspelt match",
		input: "mtach(proto=tcp) >> pass",
		expect: {
			place: "4:9",
			message: "`mtach` is not expected here",
			hint: "did you mean `match`?",
		},
	},
	{
		title: "no action",
		input: "match(proto=tcp)",
		expect: {
			place: "4:25",
			message: "rule ends too early",
			hint: "write `>> function -> function`, `>> pass` or `>> drop`",
		},
	},
	{
		title: "an open parenthesis",
		input: "match((proto=tcp & dport=80) >> pass",
		expect: {
			place: "4:38",
			message: "`>>` is not expected here",
			hint: "a `)` is missing",
		},
	},
	{
		title: "an unknown field",
		input: "match(sorce=10.0.0.1) >> pass",
		expect: {
			place: "4:15",
			message: "unknown field `sorce`",
			hint: "did you mean `src`?",
		},
	},
	{
		title: "port without direction",
		input: "match(port=80) >> pass",
		expect: {
			place: "4:15",
			message: "unknown field `port`",
			hint: "did you mean `dport`?",
		},
	},
	{
		title: "no value",
		input: "match(dport=) >> pass",
		expect: {
			place: "4:21",
			message: "`)` is not expected here",
			hint: "dport wants a value here",
		},
	},
	{
		title: "no operator",
		input: "match(dport 80) >> pass",
		expect: {
			place: "4:21",
			message: "`80` is not expected here",
			hint: "write `dport=…` or `dport!=…`",
		},
	},
	{
		title: "two equal signs",
		input: "match(dport==80) >> pass",
		expect: {
			place: "4:20",
			message: "`==` has no meaning in a rule",
			hint: "did you mean `=`?",
		},
	},
	{
		title: "two ampersands",
		input: "match(proto=tcp && dport=80) >> pass",
		expect: {
			place: "4:25",
			message: "`&&` has no meaning in a rule",
			hint: "did you mean `&`?",
		},
	},
	{
		title: "the word and",
		input: "match(proto=tcp and dport=80) >> pass",
		expect: {
			place: "4:25",
			message: "`and` is not expected here",
			hint: "did you mean `&`?",
		},
	},
	{
		title: "the word or",
		input: "match(dport=80 or dport=443) >> pass",
		expect: {
			place: "4:24",
			message: "`or` is not expected here",
			hint: "did you mean `|`?",
		},
	},
	{
		title: "the word not",
		input: "match(not dport=80) >> pass",
		expect: {
			place: "4:15",
			message: "unknown field `not`",
			hint: "did you mean `~`?",
		},
	},
	{
		title: "an exclamation mark",
		input: "match(!dport=80) >> pass",
		expect: {
			place: "4:15",
			message: "`!` has no meaning in a rule",
			hint: "did you mean `~`?",
		},
	},
	{
		title: "less than",
		input: "match(dport<1024) >> pass",
		expect: {
			place: "4:20",
			message: "`<` has no meaning in a rule",
			hint: "write a range: 1-1023",
		},
	},
	{
		title: "a comma between tests",
		input: "match(proto=tcp, dport=80) >> pass",
		expect: {
			place: "4:24",
			message: "`,` is not expected here",
			hint: "join tests by `&` or `|`",
		},
	},
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
	{
		title: "one arrow too few",
		input: "match(*) > firewall",
		expect: {
			place: "4:18",
			message: "`>` has no meaning in a rule",
			hint: "did you mean `>>` before the chain, or `->` between its functions?",
		},
	},
	{
		title: "a fat arrow",
		input: "match(*) >> firewall => ids",
		expect: {
			place: "4:30",
			message: "`=>` has no meaning in a rule",
			hint: "did you mean `->`?",
		},
	},
	{
		title: "functions joined by a comma",
		input: "match(*) >> firewall, ids",
		expect: {
			place: "4:29",
			message: "`,` is not expected here",
			hint: "functions of a chain are joined by `->`",
		},
	},
	{
		title: "an arrow at the end",
		input: "match(*) >> firewall ->",
		expect: {
			place: "4:32",
			message: "rule ends too early",
			hint: "name a function, or write pass or drop",
		},
	},
	{
		title: "drop in a chain",
		input: "match(*) >> firewall -> drop",
		expect: {
			place: "4:33",
			message: "`drop` cannot be part of a chain",
			hint: "write `>> drop` alone, or the functions without it",
		},
	},
	{
		title: "a function in capitals",
		input: "match(*) >> Firewall",
		expect: {
			place: "4:21",
			message: "`Firewall` is not a function's name",
			hint: "names are lower-case letters, digits and dashes",
		},
	},
	{
		title: "something behind the chain",
		input: "match(*) >> firewall ids",
		expect: {
			place: "4:30",
			message: "`ids` is not expected here",
			hint: "functions of a chain are joined by `->`",
		},
	},
	{
		title: "too deep",
		input: `match(${"(".repeat(65)}dport=80${")".repeat(65)}) >> pass`,
		expect: {
			place: "4:79",
			message: "predicate is nested deeper than 64 levels",
			hint: "split it into several policies",
		},
	},
];
