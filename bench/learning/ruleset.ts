/** Random firewall rules, as nftables takes them and as their oracle judges. */
import type { Random } from "../../src/plan/random.js";

export interface Flow {
	readonly proto: "tcp" | "udp";
	readonly src: string;
	readonly dst: string;
	readonly sport: number;
	readonly dport: number;
}

interface Prefix {
	readonly address: number;
	readonly length: number;
}

/** Both ends belong to it. */
interface Range {
	readonly first: number;
	readonly last: number;
}

/** Each field says nothing of a flow where it is absent. */
export interface Rule {
	readonly proto: "tcp" | "udp";
	readonly src?: Prefix;
	readonly dst?: Prefix;
	readonly sport?: Range;
	readonly dport?: Range;
	readonly verdict: "accept" | "drop";
}

/** Addresses of flows: the host part of either prefix is random. */
export const USERS: Prefix = { address: 0x0a000100, length: 24 };
export const SERVERS: Prefix = { address: 0xc6336400, length: 24 };
const PORTS = 65_536;

export function randomFlow(random: Random): Flow {
	return {
		proto: random.pick(["tcp", "udp"]),
		src: within(random, USERS),
		dst: within(random, SERVERS),
		sport: 1 + random.below(PORTS - 1),
		dport: 1 + random.below(PORTS - 1),
	};
}

export function randomRules(random: Random, count: number): Rule[] {
	const prefix = (of: Prefix) => ({
		address: parse(within(random, of)),
		length: of.length + 1 + random.below(5),
	});
	const range = () => {
		const first = random.below(PORTS - 1);
		return { first, last: first + 1 + random.below(PORTS - 1 - first) };
	};
	return Array.from({ length: count }, () => ({
		proto: random.pick(["tcp", "udp"]),
		verdict: random.pick(["accept", "drop"]),
		...(random.chance(60) && { src: prefix(USERS) }),
		...(random.chance(60) && { dst: prefix(SERVERS) }),
		...(random.chance(40) && { sport: range() }),
		...(random.chance(60) && { dport: range() }),
	}));
}

/** What nftables makes of it: the first rule that fits decides, none drops. */
export function accepts(rules: readonly Rule[], flow: Flow): boolean {
	return rules.find((rule) => fits(rule, flow))?.verdict === "accept";
}

function fits(rule: Rule, flow: Flow): boolean {
	return (
		rule.proto === flow.proto &&
		(!rule.src || contains(rule.src, parse(flow.src))) &&
		(!rule.dst || contains(rule.dst, parse(flow.dst))) &&
		(!rule.sport || inRange(rule.sport, flow.sport)) &&
		(!rule.dport || inRange(rule.dport, flow.dport))
	);
}

/** ICMP passes, too: a ping shows that the way is open. */
export function nftables(rules: readonly Rule[]): string {
	const line = ({ proto, src, dst, sport, dport, verdict }: Rule) =>
		[
			src && `ip saddr ${written(src)}`,
			dst && `ip daddr ${written(dst)}`,
			sport && `${proto} sport ${sport.first}-${sport.last}`,
			dport && `${proto} dport ${dport.first}-${dport.last}`,
			`meta l4proto ${proto} ${verdict}`,
		]
			.filter(Boolean)
			.join(" ");
	return `table ip judged {
	chain forward {
		type filter hook forward priority filter; policy drop;
		meta l4proto icmp accept
		${rules.map(line).join("\n\t\t")}
	}
}
`;
}

export function written({ address, length }: Prefix): string {
	return `${format((address & mask(length)) >>> 0)}/${length}`;
}

function contains({ address, length }: Prefix, one: number): boolean {
	return ((address ^ one) & mask(length)) === 0;
}

function inRange({ first, last }: Range, port: number): boolean {
	return port >= first && port <= last;
}

/** Not the network's own address, nor the one for all, nor a gateway's. */
function within(random: Random, { address, length }: Prefix): string {
	const hosts = 2 ** (32 - length);
	return format(address + 2 + random.below(hosts - 3));
}

function mask(length: number): number {
	return length === 0 ? 0 : -1 << (32 - length);
}

function parse(address: string): number {
	return address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function format(address: number): string {
	return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
