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
const CT = ["direction", "l3proto", "protocol"];
const PAYLOAD: Readonly<Record<string, readonly string[]>> = {
	ip: ["saddr", "daddr", "protocol", "version"],
	ip6: ["saddr", "daddr", "version"],
	tcp: ["sport", "dport"],
	udp: ["sport", "dport"],
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
/** What values, sets and verdicts are made of. */
const PLAIN = [
	"set",
	"range",
	"prefix",
	"addr",
	"len",
	"concat",
	"accept",
	"drop",
	"return",
	"continue",
	"jump",
	"goto",
	"target",
];
const TRANSLATIONS = ["snat", "dnat", "masquerade", "redirect"];
const FAMILIES = ["ip", "ip6", "inet"];

/** `objects`: of `nft -j list ruleset` (libnftables-json(5)). */
export function learnableFrom(objects: readonly Json[]): Learnable {
	let rewrites = false;
	const chains = new Map<string, Json[][]>();
	for (const object of objects) {
		const [[kind, value] = ["", {}]] = Object.entries(object);
		const fields = value as Json;
		if (kind === "table" && !FAMILIES.includes(String(fields.family)))
			return "none";
		if (kind === "set" || kind === "map") {
			if (changesByItself(fields) || !isPlain(fields.elem)) return "none";
		} else if (kind === "rule") {
			const statements = (fields.expr ?? []) as Json[];
			rewrites ||= statements.some((one) => isOneOf(one, TRANSLATIONS));
			const chain = [fields.family, fields.table, fields.chain].join(" ");
			chains.set(chain, [...(chains.get(chain) ?? []), statements]);
		} else if (kind !== "table" && kind !== "chain") {
			return "none";
		}
	}
	if (![...chains.values()].every(isLearnable)) return "none";
	return rewrites ? "rewrite" : "verdict";
}

/**
 * A flow's first packet is new and its others are established. Where that is all
 * that differs, a chain has to let the established pass before it asks again: then
 * a flow that has passed goes on passing.
 */
function isLearnable(rules: readonly Json[][]): boolean {
	let passesEstablished = false;
	for (const rule of rules) {
		const state = rule.find(asksState);
		if (!rule.every((one) => one === state || isInvariant(one))) return false;
		if (!state || passesEstablished) continue;
		if (dropsInvalid(rule, state)) continue;
		if (!letsEstablishedPass(rule, state)) return false;
		passesEstablished = true;
	}
	return true;
}

const stateOf = (expression: unknown): boolean =>
	((expression ?? {}) as { ct?: Json }).ct?.key === "state";

/** `ct state …`, or `ct state vmap …`. */
function asksState(statement: Json): boolean {
	const { match, vmap } = statement as { match?: Json; vmap?: Json };
	return stateOf(match?.left) || stateOf(vmap?.key);
}

function dropsInvalid(rule: readonly Json[], { match }: Json): boolean {
	const states = statesOf(match as Json | undefined);
	const drops = rule.some((one) => isOneOf(one, ["drop", "reject"]));
	return drops && states.length === 1 && states[0] === "invalid";
}

/** All of them, whatever else they are: the rule asks for nothing but the state. */
function letsEstablishedPass(rule: readonly Json[], state: Json): boolean {
	const { vmap } = state as { vmap?: Json };
	const others = rule.filter((one) => one !== state);
	const only = (kinds: readonly string[]) =>
		others.every((one) => isOneOf(one, kinds));
	if (vmap) {
		const { set } = (vmap.data ?? {}) as { set?: [unknown, Json][] };
		return (
			only(["counter", "log"]) &&
			(set ?? []).some(
				([value, verdict]) => value === "established" && "accept" in verdict,
			)
		);
	}
	const states = statesOf((state as { match?: Json }).match);
	return (
		states.includes("established") &&
		only(["counter", "log", "accept"]) &&
		others.some((one) => isOneOf(one, ["accept"]))
	);
}

/** States that a match names; none where it says "not". */
function statesOf(match: Json | undefined): string[] {
	if (!match || (match.op !== "==" && match.op !== "in")) return [];
	const right = match.right as string | string[] | { set?: string[] };
	if (typeof right === "string") return [right];
	return Array.isArray(right) ? right : (right?.set ?? []);
}

/** Elements come by packets, or go by the clock. */
function changesByItself({ flags, timeout, stmt }: Json): boolean {
	const listed = Array.isArray(flags) ? flags : [flags];
	return (
		timeout !== undefined ||
		stmt !== undefined ||
		listed.includes("dynamic") ||
		listed.includes("timeout")
	);
}

/** Values alone: what an element does beside being there may differ each time. */
function isPlain(value: unknown): boolean {
	if (Array.isArray(value)) return value.every(isPlain);
	if (typeof value !== "object" || value === null) return true;
	return Object.entries(value).every(
		([key, inner]) => PLAIN.includes(key) && isPlain(inner),
	);
}

function isInvariant(statement: Json): boolean {
	if (isOneOf(statement, TRANSLATIONS)) return true;
	if (!isOneOf(statement, VERDICTS)) return false;
	const { match, vmap } = statement as { match?: Json; vmap?: Json };
	if (match) return isShared(match.left) && isPlain(match.right);
	return vmap ? isShared(vmap.key) && isPlain(vmap.data) : true;
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
