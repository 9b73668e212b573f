/** Reads the value of a test: what each field takes, and what is wrong else. */
import {
	formatPrefix,
	hostMask,
	network,
	parseAddress,
	parsePrefix,
	prefixFault,
} from "../address.js";
import { quoted, suggest } from "../problem.js";
import type { Field, Value } from "./ast.js";
import { RuleError, type Token } from "./lexer.js";
import { DSCP, ICMP_TYPES, PROTOCOLS } from "./names.js";

const TENANT = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

interface Numbers {
	readonly title: string;
	readonly min: number;
	readonly max: number;
	readonly names: ReadonlyMap<string, number>;
	/** Shown where a word is neither number nor name. */
	readonly example: string;
}

const NONE: ReadonlyMap<string, number> = new Map();
const PORT: Numbers = {
	title: "a port",
	min: 1,
	max: 65_535,
	names: NONE,
	example: "write a number, a range 1000-2000 or a set {80, 443}",
};

/** For hints alone: a rule that reads alike everywhere has numbers. */
const SERVICES: ReadonlyMap<string, number> = new Map([
	["ssh", 22],
	["smtp", 25],
	["dns", 53],
	["domain", 53],
	["http", 80],
	["ntp", 123],
	["https", 443],
]);

const NUMBERS: Partial<Record<Field, Numbers>> = {
	sport: PORT,
	dport: PORT,
	proto: {
		title: "a protocol",
		min: 0,
		max: 255,
		names: PROTOCOLS,
		example: "tcp, udp, icmp, icmpv6, sctp, esp, gre or a number 0-255",
	},
	dscp: {
		title: "a DSCP",
		min: 0,
		max: 63,
		names: DSCP,
		example: "ef, va, le, cs0 to cs7, af11 to af43 or a number 0-63",
	},
	"icmp-type": {
		title: "an ICMP type",
		min: 0,
		max: 255,
		names: NONE,
		example: `${[...ICMP_TYPES.keys()].slice(0, 3).join(", ")}, … or a number 0-255`,
	},
};

export function parseValue(field: Field, token: Token): Value {
	if (field === "src" || field === "dst") return parseAddresses(token);
	if (field === "tenant") {
		if (TENANT.test(token.text)) return { kind: "name", name: token.text };
		throw new RuleError(
			token,
			`${quoted(token.text)} is not a name`,
			"names are lower-case letters, digits and dashes",
		);
	}
	if (field === "icmp-type" && ICMP_TYPES.has(token.text))
		return { kind: "name", name: token.text };
	const numbers = NUMBERS[field];
	if (!numbers) throw new Error(`field ${field} has no values`);
	return parseNumbers(numbers, token);
}

function parseAddresses(token: Token): Value {
	const { text } = token;
	const dash = text.indexOf("-");
	if (dash >= 0) return parseRange(token, dash);
	if (text.includes("/")) {
		const prefix = parsePrefix(text);
		const fault = prefixFault(text);
		if (!prefix || fault)
			throw new RuleError(token, fault?.message ?? "bad prefix", fault?.hint);
		const to = prefix.address | hostMask(prefix.family, prefix.length);
		return {
			kind: "addresses",
			family: prefix.family,
			from: prefix.address,
			to,
		};
	}
	const address = parseAddress(text);
	if (!address) throw notAnAddress(token, text);
	const { family, value } = address;
	return { kind: "addresses", family, from: value, to: value };
}

function parseRange(token: Token, dash: number): Value {
	const from = parseAddress(token.text.slice(0, dash));
	const to = parseAddress(token.text.slice(dash + 1));
	if (!from) throw notAnAddress(token, token.text.slice(0, dash));
	if (!to) throw notAnAddress(token, token.text.slice(dash + 1));
	if (from.family !== to.family)
		throw new RuleError(
			token,
			"a range cannot go from IPv4 to IPv6",
			"write two ranges in a set { … , … }",
		);
	if (from.value > to.value)
		throw new RuleError(
			token,
			`range ${quoted(token.text)} is backwards`,
			`did you mean \`${token.text.slice(dash + 1)}-${token.text.slice(0, dash)}\`?`,
		);
	return {
		kind: "addresses",
		family: from.family,
		from: from.value,
		to: to.value,
	};
}

function notAnAddress(token: Token, text: string): RuleError {
	const shortened = /^(\d{1,3}\.){0,2}\d{1,3}$/.test(text)
		? parsePrefix(
				`${text}${".0".repeat(4 - text.split(".").length)}/${8 * text.split(".").length}`,
			)
		: undefined;
	return new RuleError(
		token,
		`${quoted(text)} is not an address`,
		shortened
			? `did you mean \`${formatPrefix(network(shortened))}\`?`
			: /^\d+(\.\d+){3}$/.test(text)
				? "each part of an IPv4 address is 0 to 255"
				: "write an address, a prefix 10.0.1.0/24 or a range 10.0.0.1-10.0.0.9",
	);
}

function parseNumbers(numbers: Numbers, token: Token): Value {
	const named = numbers.names.get(token.text);
	if (named !== undefined) return { kind: "numbers", from: named, to: named };
	const bounds = /^(\d+)(?:-(\d+))?$/.exec(token.text);
	if (!bounds) {
		const names = numbers.title === "an ICMP type" ? ICMP_TYPES : numbers.names;
		const service = numbers === PORT ? SERVICES.get(token.text) : undefined;
		throw new RuleError(
			token,
			`${quoted(token.text)} is not ${numbers.title}`,
			service === undefined
				? suggest(token.text, names.keys(), numbers.example)
				: `did you mean \`${service}\`? ports are numbers`,
		);
	}
	const from = Number(bounds[1]);
	const to = Number(bounds[2] ?? bounds[1]);
	const outside = [from, to].find((n) => n < numbers.min || n > numbers.max);
	if (outside !== undefined)
		throw new RuleError(
			token,
			`${outside} is not ${numbers.title}`,
			outside === 0 && to > 0 && to <= numbers.max
				? `did you mean \`${numbers.min}-${to}\`?`
				: `${numbers.title} is ${numbers.min} to ${numbers.max}`,
		);
	if (from > to)
		throw new RuleError(
			token,
			`range ${quoted(token.text)} is backwards`,
			`did you mean \`${to}-${from}\`?`,
		);
	return { kind: "numbers", from, to };
}
