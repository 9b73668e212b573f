/** Says whether a packet fits a predicate: the naive twin of compile.ts. */
import { parseAddress } from "../address.js";
import type { Packet } from "../packet.js";
import type { Predicate, Test, Value } from "./ast.js";
import { ICMP, ICMP_TYPES, ICMPV6 } from "./names.js";

/** A packet's addresses must be valid: throws where one is not. */
export function evaluate(predicate: Predicate, packet: Packet): boolean {
	switch (predicate.kind) {
		case "any":
			return true;
		case "and":
			return predicate.terms.every((term) => evaluate(term, packet));
		case "or":
			return predicate.terms.some((term) => evaluate(term, packet));
		case "not":
			return !evaluate(predicate.term, packet);
		case "test":
			return holds(predicate, packet) === (predicate.op === "=");
	}
}

function holds({ field, values }: Test, packet: Packet): boolean {
	switch (field) {
		case "src":
		case "dst":
			return values.some((value) => hasAddress(value, packet[field]));
		case "tenant":
			return values.some(
				(value) => value.kind === "name" && value.name === packet.tenant,
			);
		case "icmp-type":
			return values.some((value) => hasIcmpType(value, packet));
		default:
			return values.some((value) => hasNumber(value, packet[field]));
	}
}

function hasAddress(value: Value, text: string): boolean {
	const address = parseAddress(text);
	if (!address) throw new Error(`packet: \`${text}\` is not an address`);
	return (
		value.kind === "addresses" &&
		value.family === address.family &&
		value.from <= address.value &&
		address.value <= value.to
	);
}

const hasNumber = (value: Value, number: number): boolean =>
	value.kind === "numbers" && value.from <= number && number <= value.to;

function hasIcmpType(value: Value, { proto, icmpType }: Packet): boolean {
	if (proto !== ICMP && proto !== ICMPV6) return false;
	if (value.kind !== "name") return hasNumber(value, icmpType);
	const types = ICMP_TYPES.get(value.name);
	return icmpType === (proto === ICMP ? types?.v4 : types?.v6);
}
