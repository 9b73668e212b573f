/** Keys of sealed hops: which links have which, and what may be done to them. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { closed, count, text } from "./parts.js";

const PHASES = [
	"install-receiver",
	"install-sender",
	"switch",
	"current",
	"retired",
] as const;

const Sa = Type.Object({
	generation: count,
	/** SPI of its ESP packets, or the key id of its MACs. */
	espSpi: count,
	phase: Type.Enum([...PHASES]),
	revoked: Type.Boolean(),
	ageMs: count,
	/** As the sender last said. */
	bytes: Type.Optional(count),
	packets: Type.Optional(count),
});

export const KeyLink = Type.Object({
	/** Service path identifier and index that packets have on the hop. */
	path: count,
	index: count,
	flowClass: text,
	sender: text,
	receiver: text,
	transform: text,
	state: Type.Union([
		Type.Literal("ready"),
		Type.Literal("waiting"),
		Type.Literal("revoked"),
	]),
	/** Oldest first. */
	sas: Type.Array(Sa),
	/** Until the key in use is replaced because of its age. */
	nextRekeyMs: Type.Optional(count),
});
export type KeyLink = Static<typeof KeyLink>;

export const KeyList = Type.Object({
	items: Type.Array(KeyLink),
	/** Nodes whose encryption function has a session with the authentication centre. */
	present: Type.Array(text),
	/** Nodes that get no keys. */
	revoked: Type.Array(text),
});
export type KeyList = Static<typeof KeyList>;

/** All of a node's links, all of a path in one direction, or one SA by its SPI. */
export const KeyTarget = Type.Union([
	Type.Object({ node: Name }, closed),
	Type.Object(
		{ path: Type.Integer({ minimum: 1, maximum: 2 ** 20 - 1 }) },
		closed,
	),
	Type.Object(
		{ sa: Type.Integer({ minimum: 256, maximum: 2 ** 32 - 1 }) },
		closed,
	),
]);
export type KeyTarget = Static<typeof KeyTarget>;

export const KeyAdmission = Type.Object({ node: Name }, closed);
