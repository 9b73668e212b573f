/** How nodes are, and the instances of functions on them. */
import { type Static, Type } from "typebox";
import { count, text } from "./parts.js";

export const InstanceHealth = Type.Object({
	function: text,
	instance: text,
	node: text,
	state: Type.Union([
		Type.Literal("starting"),
		Type.Literal("up"),
		Type.Literal("down"),
		Type.Literal("unknown"),
	]),
	reason: text,
	restarts: count,
	probeUs: Type.Optional(Type.Number()),
	draining: Type.Optional(
		Type.Object(
			{
				/** Path pairs through it, old ones with flows that run. */
				paths: count,
				/** Since the one used last was used, as far as nodes said. */
				idleMs: Type.Optional(count),
			},
			{ description: "it gets no new flows" },
		),
	),
});
export type InstanceHealth = Static<typeof InstanceHealth>;

/** How the node's encryption function is. */
export const EfLive = Type.Object(
	{
		state: Type.Union([
			Type.Literal("starting"),
			Type.Literal("up"),
			Type.Literal("down"),
		]),
		reason: text,
		restarts: count,
		engine: Type.Optional(
			Type.Object({
				kind: Type.Union([Type.Literal("userspace"), Type.Literal("xfrm")]),
				why: text,
			}),
		),
		/** It has a certificate of the authentication centre. */
		enrolled: Type.Boolean(),
		connected: Type.Boolean(),
		/** Security associations it holds, and those of them that it seals with. */
		sas: count,
		active: count,
		/** Ids of nodes whose encryption functions it does not hear. */
		silent: Type.Optional(Type.Array(count)),
	},
	{ description: "absent where no hop at the node is sealed" },
);

export const NodeLive = Type.Object({
	connected: Type.Boolean(),
	/** Newest revision the node acknowledged. */
	revision: count,
	/** Revision it should have. */
	desired: count,
	version: Type.Optional(text),
	sinceMs: Type.Optional(count),
	lastError: Type.Optional(text),
	/** What the node can do, as it said when it connected. */
	checks: Type.Optional(
		Type.Array(
			Type.Object({
				name: text,
				ok: Type.Boolean(),
				detail: text,
				required: Type.Boolean(),
			}),
		),
	),
	/** When it said so. */
	checkedMs: Type.Optional(count),
	ef: Type.Optional(EfLive),
});
export type NodeLive = Static<typeof NodeLive>;
