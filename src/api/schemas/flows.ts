/** Flows in nodes' tables, and the query that picks some. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { closed, count, list, Missing, text } from "./parts.js";

/** What becomes of a flow's packets: a path, the node's own routing, or nothing. */
const FlowAction = Type.Union([
	Type.Literal("chain"),
	Type.Literal("pass"),
	Type.Literal("drop"),
]);

export const FlowView = Type.Object({
	node: text,
	kind: Type.Union([Type.Literal("classified"), Type.Literal("learned")]),
	tenant: text,
	src: text,
	dst: text,
	proto: count,
	sport: count,
	dport: count,
	action: FlowAction,
	/** The path; with `chain` alone. */
	spi: Type.Optional(count),
	/** The path is gone: the next packet is classified anew. */
	old: Type.Optional(Type.Boolean()),
	policy: text,
	packets: count,
	bytes: count,
	ageMs: Type.Number(),
	idleMs: Type.Number(),
});
export type FlowView = Static<typeof FlowView>;

export const FlowList = Type.Object({
	...list(FlowView).properties,
	missing: Type.Array(Missing),
});
export type FlowList = Static<typeof FlowList>;

/** Longest: an IPv6 prefix. */
const place = Type.String({
	maxLength: 43,
	description: "an address, or a prefix such as 10.0.1.0/24",
});

/** Whose flows, and how many of them at most. */
export const flowFields = {
	tenant: Type.Optional(Name),
	src: Type.Optional(place),
	dst: Type.Optional(place),
	proto: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
	sport: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
	dport: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
	limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
};

export const FlowQuery = Type.Object(flowFields, closed);
