/** What happened in the network, and who did what (audit). */
import { type Static, Type } from "typebox";
import { closed, count, list, text } from "./parts.js";

export const EventView = Type.Object({
	id: count,
	timeMs: count,
	kind: text,
	message: text,
	tenant: Type.Optional(text),
	node: Type.Optional(text),
	/** Name of the token that did it (audit). */
	who: Type.Optional(text),
});
export type EventView = Static<typeof EventView>;

export const EventList = list(EventView);

export const EventQuery = Type.Object(
	{
		/** Events with a larger id; 0: all that are kept. */
		after: Type.Optional(count),
		limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
	},
	closed,
);
