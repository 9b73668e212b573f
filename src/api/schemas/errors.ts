/** What went wrong, and where in the request. */
import { type Static, Type } from "typebox";
import { text } from "./parts.js";

export const Problem = Type.Object({
	message: text,
	hint: Type.Optional(text),
	document: Type.Optional(
		Type.Integer({ description: "index in the request's `documents`" }),
	),
	pointer: Type.Optional(
		Type.String({ description: "JSON pointer (RFC 6901) into the document" }),
	),
	offset: Type.Optional(
		Type.Integer({
			description: "characters into the string at `pointer` (predicates)",
		}),
	),
	length: Type.Optional(Type.Integer()),
});
export type Problem = Static<typeof Problem>;

export const ErrorBody = Type.Object({
	error: Type.Object({
		code: text,
		message: text,
		hint: text,
		problems: Type.Array(Problem),
	}),
});
export type ErrorBody = Static<typeof ErrorBody>;
