/** Paths over all nodes, hop by hop. */
import { type Static, Type } from "typebox";
import { count, list, text } from "./parts.js";

export const HopView = Type.Object({
	/** Service index the packet has when it meets this hop. */
	si: count,
	node: text,
	kind: Type.Union([
		Type.Literal("port"),
		Type.Literal("tap"),
		Type.Literal("node"),
		Type.Literal("exit"),
	]),
	function: Type.Optional(text),
	instance: Type.Optional(text),
	/** kind node: where the packet is sent. */
	to: Type.Optional(text),
	/** On the hop to or from another node: encrypted, or signed. */
	sealed: Type.Optional(Type.Union([Type.Literal("esp"), Type.Literal("mac")])),
	packets: Type.Optional(count),
	bytes: Type.Optional(count),
});
export type HopView = Static<typeof HopView>;

/** One direction of a path over all nodes, in the order a packet meets it. */
export const PathView = Type.Object({
	spi: count,
	reverseSpi: count,
	direction: Type.Union([Type.Literal("forward"), Type.Literal("reverse")]),
	policy: text,
	/** Of its packets, where keys depend on it: the policy, or `policy/class`. */
	flowClass: Type.Optional(text),
	tenant: text,
	state: Type.Union([Type.Literal("active"), Type.Literal("draining")]),
	length: count,
	mtu: count,
	/** Path that takes its packets while a node of its way is down. */
	backup: Type.Optional(count),
	hops: Type.Array(HopView),
});
export type PathView = Static<typeof PathView>;

export const PathList = list(PathView);
