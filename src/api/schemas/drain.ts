/** Leading new flows away from an instance. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { Problem } from "./errors.js";
import { closed, count, text } from "./parts.js";

export const DrainRequest = Type.Object({ instance: Name }, closed);

/** `GET /v1/functions/:name` tells how many of its paths are left. */
export const DrainResponse = Type.Object({
	revision: count,
	warnings: Type.Array(Problem),
	pending: Type.Array(text, {
		description: "connected nodes that had not acknowledged in time",
	}),
});
export type DrainResponse = Static<typeof DrainResponse>;
