/** Where the controller stands: alive, and how far the newest change has come. */
import { type Static, Type } from "typebox";
import { NodeLive } from "./nodes.js";
import { closed, count, text } from "./parts.js";

export const Health = Type.Object({ status: Type.Literal("ok") });

export const StatusQuery = Type.Object(
	{
		wait: Type.Optional(
			Type.Literal("revision", {
				description:
					"answer when every connected node has acknowledged the revision",
			}),
		),
		timeoutMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 300_000 })),
	},
	closed,
);
export const StatusResponse = Type.Object({
	/** Newest revision sent. */
	revision: count,
	/** Where the newest change stands. */
	phase: Type.Union([
		Type.Literal("idle"),
		Type.Literal("make"),
		Type.Literal("switch"),
		Type.Literal("drain"),
		Type.Literal("break"),
		Type.Literal("rollback"),
	]),
	/** All connected nodes run the newest revision. */
	settled: Type.Boolean(),
	lastError: Type.Optional(text),
	nodes: Type.Array(Type.Object({ node: text, ...NodeLive.properties })),
});
export type StatusResponse = Static<typeof StatusResponse>;
