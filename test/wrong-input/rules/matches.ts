/** What a rule is made of: `match`, its tests and what joins them. Runner: ../model.test.ts. */
import type { WrongInput } from "../row.js";

export const matches: readonly WrongInput[] = [
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
		title: "too deep",
		input: `match(${"(".repeat(65)}dport=80${")".repeat(65)}) >> pass`,
		expect: {
			place: "4:79",
			message: "predicate is nested deeper than 64 levels",
			hint: "split it into several policies",
		},
	},
];
