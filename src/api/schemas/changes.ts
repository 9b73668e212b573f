/** Changes to what is declared: documents applied and deleted, and what came of them. */
import { type Static, Type } from "typebox";
import { Problem } from "./errors.js";
import { closed, count, text } from "./parts.js";

/** Plural names as they stand in URLs and in `chainmail get`. */
export const kinds = {
	tenants: "Tenant",
	nodes: "Node",
	functions: "Function",
	"flow-classes": "FlowClass",
	policies: "Policy",
} as const;
export type KindPath = keyof typeof kinds;

const dryRun = Type.Optional(
	Type.Boolean({
		description:
			"check and plan, and ask the nodes whether they could; change nothing",
	}),
);

export const DeleteQuery = Type.Object({ dryRun }, closed);

/** Documents as JSON; each is validated by its kind with located problems. */
export const ApplyRequest = Type.Object(
	{
		documents: Type.Array(Type.Unknown(), { maxItems: 100_000 }),
		dryRun,
		timeoutMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 300_000 })),
	},
	closed,
);
export type ApplyRequest = Static<typeof ApplyRequest>;

export const Change = Type.Object({
	kind: text,
	name: text,
	action: Type.Union([
		Type.Literal("created"),
		Type.Literal("changed"),
		Type.Literal("unchanged"),
		Type.Literal("deleted"),
	]),
});
export type Change = Static<typeof Change>;

export const ApplyResponse = Type.Object({
	revision: count,
	changes: Type.Array(Change),
	warnings: Type.Array(Problem),
	pending: Type.Array(text, {
		description: "connected nodes that had not acknowledged in time",
	}),
	disconnected: Type.Array(text, {
		description:
			"nodes that are not connected and lack the newest state: they get it when they come back",
	}),
});
export type ApplyResponse = Static<typeof ApplyResponse>;
