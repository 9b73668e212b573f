/** Chains: what stands behind a rule's arrow. Runner: ../model.test.ts. */
import type { WrongInput } from "../row.js";

export const chains: readonly WrongInput[] = [
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
];
