/** Readers of option values: each says what it expected. */
import { InvalidArgumentError } from "commander";
import { DSCP, ICMP_TYPES, PROTOCOLS } from "../model/language/names.js";
import { CliFailure, ExitCode } from "./failure.js";

/** An integer within bounds, both included. */
export function integer(min: number, max: number) {
	return (text: string): number => {
		const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
		if (!(value >= min && value <= max))
			throw new InvalidArgumentError(
				`Expected a whole number from ${min} to ${max}.`,
			);
		return value;
	};
}

export const port = integer(0, 65_535);

/** A name of a table in policies' language, or a number. */
function named(names: ReadonlyMap<string, number>, max: number) {
	return (text: string): number => {
		const found = names.get(text.toLowerCase());
		if (found !== undefined) return found;
		if (/^\d/.test(text)) return integer(0, max)(text);
		const known = [...names.keys()].join(", ");
		throw new InvalidArgumentError(`Expected a number or one of ${known}.`);
	};
}

export const protocolNumber = named(PROTOCOLS, 255);
export const dscp = named(DSCP, 63);

/** A name is one number with IPv4 and another with IPv6. */
export function icmpType(text: string): (isIpv6: boolean) => number {
	const type = ICMP_TYPES.get(text.toLowerCase());
	if (type === undefined) {
		const names = new Map([...ICMP_TYPES.keys()].map((name) => [name, 0]));
		const number = named(names, 255)(text);
		return () => number;
	}
	return (isIpv6) => {
		const number = isIpv6 ? type.v6 : type.v4;
		if (number !== undefined) return number;
		throw new CliFailure(
			`trace: --icmp-type ${text}: ${isIpv6 ? "ICMPv6" : "ICMP"} has no such type (choose another, or addresses of the other family)`,
			ExitCode.usage,
		);
	};
}

/** `90s`, `10m`, `24h`, `7d` or `500ms`, in milliseconds. */
export function milliseconds(text: string): number {
	const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
	const size = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[
		match?.[2] ?? ""
	];
	if (match === null || size === undefined)
		throw new InvalidArgumentError(
			"Expected a time such as 500ms, 90s, 10m, 24h or 7d.",
		);
	return Number(match[1]) * size;
}

/** Collects an option that may be given several times. */
export function collect(
	text: string,
	before: readonly string[] = [],
): string[] {
	return [...before, text];
}
