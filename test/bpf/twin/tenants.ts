/**
 * Who takes part in the random comparison: three tenants, two of them with the
 * same prefixes, and the addresses of their users and of servers outside.
 */
import {
	type Family,
	formatAddress,
	formatPrefix,
	hostMask,
	network,
	parseAddress,
	parsePrefix,
	width,
} from "../../../src/model/address.js";
import type { Random } from "../../../src/plan/random.js";

export interface Party {
	readonly id: number;
	readonly name: string;
	readonly subnets: readonly string[];
	/** Where its users are, on every node alike. */
	readonly access: { readonly name: string; readonly vlan: number };
}

export const PARTIES: readonly Party[] = [
	{
		id: 1,
		name: "red",
		subnets: ["10.1.0.0/16", "2001:db8:1::/48"],
		access: { name: "ap", vlan: 0 },
	},
	{
		id: 2,
		name: "green",
		subnets: ["10.1.0.0/16", "2001:db8:1::/49"],
		access: { name: "ap", vlan: 100 },
	},
	{
		id: 3,
		name: "blue",
		subnets: ["10.2.0.0/16", "10.2.128.0/17", "10.3.0.7/32", "2001:db8:2::/48"],
		access: { name: "aq", vlan: 0 },
	},
];

/** Prefixes of servers: no tenant's. */
export const OUTSIDE = [
	"198.51.100.0/24",
	"203.0.113.0/24",
	"2001:db8:200::/40",
] as const;

export function partyOf(id: number): Party {
	const found = PARTIES.find((one) => one.id === id);
	if (!found) throw new Error(`tenant ${id}: takes no part`);
	return found;
}

export function familyOf(text: string): Family {
	return text.includes(":") ? 6 : 4;
}

export function isWithin(address: string, prefix: string): boolean {
	const a = parseAddress(address);
	const p = parsePrefix(prefix);
	return (
		a !== undefined &&
		p?.family === a.family &&
		network({ ...p, address: a.value }).address === p.address
	);
}

/** Addresses come close together, so that prefixes and flows meet. */
export function randomAddress(
	random: Random,
	prefixes: readonly string[],
	family: Family,
): string {
	const text = random.pick(prefixes.filter((one) => familyOf(one) === family));
	const prefix = parsePrefix(text);
	if (!prefix) throw new Error(`prefix ${text}: is none`);
	const bits = random.chance(70)
		? BigInt(random.below(8) << (4 * random.below(4)))
		: randomBits(random, 128);
	const host = bits & hostMask(family, prefix.length);
	return formatAddress(family, prefix.address | (host === 0n ? 1n : host));
}

/** A prefix around an address of one of `prefixes`, often of odd length. */
export function randomPrefix(
	random: Random,
	prefixes: readonly string[],
	family: Family,
): string {
	const address = parseAddress(randomAddress(random, prefixes, family));
	const least = family === 4 ? 8 : 32;
	const length = least + random.below(width(family) - least + 1);
	return formatPrefix(
		network({ family, address: address?.value ?? 0n, length }),
	);
}

export function randomBits(random: Random, bits: number): bigint {
	let value = 0n;
	for (let i = 0; i < bits; i += 16)
		value = (value << 16n) | BigInt(random.below(65536));
	return value & ((1n << BigInt(bits)) - 1n);
}
