/**
 * Names for numbers in predicates. Protocols: IANA protocol numbers. DSCP:
 * RFC 2474, 2597, 3246, 5865, 8622. ICMP types: RFC 792, 1256, 4443, 4861.
 */
export const PROTOCOLS: ReadonlyMap<string, number> = new Map([
	["icmp", 1],
	["tcp", 6],
	["udp", 17],
	["gre", 47],
	["esp", 50],
	["icmpv6", 58],
	["sctp", 132],
]);

export const ICMP = 1;
export const ICMPV6 = 58;

/** Protocols whose ports Chainmail reads. */
export const PORT_PROTOCOLS: readonly number[] = [6, 17, 132];

const assured = [1, 2, 3, 4].flatMap((group) =>
	[1, 2, 3].map((drop): [string, number] => [
		`af${group}${drop}`,
		group * 8 + drop * 2,
	]),
);

export const DSCP: ReadonlyMap<string, number> = new Map([
	...Array.from({ length: 8 }, (_, i): [string, number] => [`cs${i}`, i * 8]),
	...assured,
	["le", 1],
	["va", 44],
	["ef", 46],
]);

/** Type numbers of ICMP and ICMPv6 by the name both share. */
export const ICMP_TYPES: ReadonlyMap<
	string,
	{ readonly v4?: number; readonly v6?: number }
> = new Map([
	["echo-reply", { v4: 0, v6: 129 }],
	["echo-request", { v4: 8, v6: 128 }],
	["destination-unreachable", { v4: 3, v6: 1 }],
	["packet-too-big", { v6: 2 }],
	["redirect", { v4: 5, v6: 137 }],
	["router-advertisement", { v4: 9, v6: 134 }],
	["router-solicitation", { v4: 10, v6: 133 }],
	["time-exceeded", { v4: 11, v6: 3 }],
	["parameter-problem", { v4: 12, v6: 4 }],
	["timestamp-request", { v4: 13 }],
	["timestamp-reply", { v4: 14 }],
	["neighbor-solicitation", { v6: 135 }],
	["neighbor-advertisement", { v6: 136 }],
]);

function inverse(names: ReadonlyMap<string, number>): Map<number, string> {
	return new Map([...names].map(([name, number]) => [number, name]));
}

const protocolNames = inverse(PROTOCOLS);
const dscpNames = inverse(DSCP);

/** Name of a protocol, or its number as text. */
export const protocolName = (number: number): string =>
	protocolNames.get(number) ?? String(number);

export const dscpName = (number: number): string =>
	dscpNames.get(number) ?? String(number);
