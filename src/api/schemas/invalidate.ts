/** Making nodes forget what was learned of a function. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { closed, list, Missing, text } from "./parts.js";

export const InvalidateRequest = Type.Object(
	/** Absent: all instances. */
	{ instance: Type.Optional(Name) },
	closed,
);

/** Instances of which nothing learned before holds, and nodes that may still hold some. */
export const InvalidateResponse = Type.Object({
	...list(Type.Object({ node: text, function: text, instance: text }))
		.properties,
	missing: Type.Array(Missing),
});
export type InvalidateResponse = Static<typeof InvalidateResponse>;
