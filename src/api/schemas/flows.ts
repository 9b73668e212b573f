/** Flows in nodes' tables, and the query that picks some. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/intent.js";
import { closed, count, list, text } from "./parts.js";

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
	policy: text,
	packets: count,
	bytes: count,
	ageMs: Type.Number(),
	idleMs: Type.Number(),
});
export type FlowView = Static<typeof FlowView>;

export const FlowList = list(FlowView);

export const FlowQuery = Type.Object(
	{
		tenant: Type.Optional(Name),
		src: Type.Optional(Type.String({ maxLength: 39 })),
		dst: Type.Optional(Type.String({ maxLength: 39 })),
		proto: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
		sport: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
		dport: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
		limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
	},
	closed,
);
