/**
 * What a ruleset lets a proxy learn: whether its verdict on a flow's packets can
 * only be the same for all of them. What is not known for certain is no.
 */

/** As `offload` of a function. */
export type Learnable = "none" | "verdict" | "rewrite";

type Json = Readonly<Record<string, unknown>>;

/** Facts that all packets of a flow in one direction share. */
const META = [
	"l4proto",
	"nfproto",
	"protocol",
	"iif",
	"iifname",
	"oif",
	"oifname",
	"iifgroup",
	"oifgroup",
];
const CT = ["state", "direction", "l3proto", "protocol", "status"];
const PAYLOAD: Readonly<Record<string, readonly string[]>> = {
	ip: ["saddr", "daddr", "protocol", "version"],
	ip6: ["saddr", "daddr", "nexthdr", "version"],
	tcp: ["sport", "dport"],
	udp: ["sport", "dport"],
	sctp: ["sport", "dport"],
	th: ["sport", "dport"],
	icmp: ["type"],
	icmpv6: ["type"],
};
const VERDICTS = [
	"accept",
	"drop",
	"reject",
	"return",
	"continue",
	"jump",
	"goto",
	"counter",
	"log",
	"vmap",
	"match",
];
const TRANSLATIONS = ["snat", "dnat", "masquerade", "redirect"];
const FAMILIES = ["ip", "ip6", "inet"];

/** `objects`: of `nft -j list ruleset` (libnftables-json(5)). */
export function learnableFrom(objects: readonly Json[]): Learnable {
	let rewrites = false;
	for (const object of objects) {
		const [[kind, value] = ["", {}]] = Object.entries(object);
		const fields = value as Json;
		if (kind === "table" && !FAMILIES.includes(String(fields.family)))
			return "none";
		if (kind === "set" || kind === "map") {
			if (changesByItself(fields)) return "none";
		} else if (kind === "rule") {
			const statements = (fields.expr ?? []) as Json[];
			if (!statements.every(isInvariant)) return "none";
			rewrites ||= statements.some((one) => isOneOf(one, TRANSLATIONS));
		} else if (kind !== "table" && kind !== "chain") {
			return "none";
		}
	}
	return rewrites ? "rewrite" : "verdict";
}

/** Elements come by packets, or go by the clock. */
function changesByItself({ flags, timeout }: Json): boolean {
	const listed = Array.isArray(flags) ? flags : [flags];
	return (
		timeout !== undefined ||
		listed.includes("dynamic") ||
		listed.includes("timeout")
	);
}

function isInvariant(statement: Json): boolean {
	if (isOneOf(statement, TRANSLATIONS)) return true;
	if (!isOneOf(statement, VERDICTS)) return false;
	const { match, vmap } = statement as { match?: Json; vmap?: Json };
	if (match) return isShared(match.left);
	return vmap ? isShared(vmap.key) : true;
}

function isShared(expression: unknown): boolean {
	const { meta, ct, payload, concat } = (expression ?? {}) as {
		meta?: Json;
		ct?: Json;
		payload?: Json;
		concat?: unknown[];
	};
	if (concat) return concat.every(isShared);
	if (meta) return META.includes(String(meta.key));
	if (ct) return CT.includes(String(ct.key));
	if (!payload) return false;
	const fields = PAYLOAD[String(payload.protocol)];
	return fields?.includes(String(payload.field)) ?? false;
}

function isOneOf(statement: Json, kinds: readonly string[]): boolean {
	const [kind = ""] = Object.keys(statement);
	return kinds.includes(kind);
}
