/** Prints a rule so that parseRule() gives the same rule back. */
import { formatAddress, formatPrefix, width } from "../address.js";
import type { Action, Field, Predicate, Rule, Value } from "./ast.js";
import { dscpName, protocolName } from "./names.js";

export function printRule(rule: Rule): string {
	return `match(${printPredicate(rule.predicate)}) >> ${printAction(rule.action)}`;
}

export function printAction(action: Action): string {
	return action.kind === "chain" ? action.functions.join(" -> ") : action.kind;
}

export function printPredicate(predicate: Predicate): string {
	switch (predicate.kind) {
		case "any":
			return "*";
		case "not":
			return `~${inner(predicate.term, ["and", "or"])}`;
		case "and":
			return predicate.terms
				.map((term) => inner(term, ["and", "or"]))
				.join(" & ");
		case "or":
			return predicate.terms.map((term) => inner(term, ["or"])).join(" | ");
		case "test": {
			const values = predicate.values.map((v) =>
				printValue(predicate.field, v),
			);
			const right = values.length === 1 ? values[0] : `{${values.join(", ")}}`;
			return `${predicate.field}${predicate.op}${right}`;
		}
	}
}

/** A term, in parentheses where its kind would bind otherwise. */
function inner(term: Predicate, wrapped: readonly string[]): string {
	const text = printPredicate(term);
	return wrapped.includes(term.kind) ? `(${text})` : text;
}

function printValue(field: Field, value: Value): string {
	switch (value.kind) {
		case "name":
			return value.name;
		case "numbers":
			if (value.from !== value.to) return `${value.from}-${value.to}`;
			if (field === "proto") return protocolName(value.from);
			return field === "dscp" ? dscpName(value.from) : String(value.from);
		case "addresses": {
			const { family, from, to } = value;
			const host = from ^ to;
			const length = width(family) - host.toString(2).length;
			const aligned = (host & (host + 1n)) === 0n && (from & host) === 0n;
			if (from === to) return formatAddress(family, from);
			return aligned
				? formatPrefix({ family, address: from, length })
				: `${formatAddress(family, from)}-${formatAddress(family, to)}`;
		}
	}
}
