/** A packet's way through the network, asked for and told step by step. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { FlowView } from "./flows.js";
import { closed, count, text } from "./parts.js";

const port = Type.Integer({ minimum: 0, maximum: 65535 });
export const TraceRequest = Type.Object(
	{
		tenant: Name,
		src: Type.String({ minLength: 2, maxLength: 39 }),
		dst: Type.String({ minLength: 2, maxLength: 39 }),
		proto: Type.Union([
			Type.Literal("tcp"),
			Type.Literal("udp"),
			Type.Literal("icmp"),
			Type.Literal("icmpv6"),
			Type.Literal("sctp"),
			Type.Integer({ minimum: 0, maximum: 255 }),
		]),
		sport: Type.Optional(port),
		dport: Type.Optional(port),
		dscp: Type.Optional(Type.Integer({ minimum: 0, maximum: 63 })),
		icmpType: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
		node: Type.Optional(Name),
		live: Type.Optional(
			Type.Boolean({ description: "add the flow's counters on every node" }),
		),
	},
	closed,
);
export type TraceRequest = Static<typeof TraceRequest>;

export const TraceStep = Type.Object({
	node: text,
	/** arrive, flow, rule, default, path, port, tap, encapsulate, exit, learn, pass, drop. */
	stage: text,
	/** Why, in words. */
	detail: text,
	spi: Type.Optional(count),
	si: Type.Optional(count),
	function: Type.Optional(text),
	instance: Type.Optional(text),
	/** encapsulate: the node it is sent to. */
	to: Type.Optional(text),
	/** encapsulate: encrypted (`esp`) or signed (`mac`) on the way there. */
	sealed: Type.Optional(text),
	/** exit: where it leaves. */
	interface: Type.Optional(text),
	policy: Type.Optional(text),
});
export type TraceStep = Static<typeof TraceStep>;

export const TraceResponse = Type.Object({
	verdict: Type.Union([
		Type.Literal("exit"),
		Type.Literal("pass"),
		Type.Literal("drop"),
	]),
	/** Name of the drop reason, where it is dropped. */
	reason: Type.Optional(text),
	policy: Type.Optional(text),
	steps: Type.Array(TraceStep),
	flows: Type.Optional(Type.Array(FlowView)),
});
export type TraceResponse = Static<typeof TraceResponse>;
