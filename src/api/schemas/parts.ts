/** What the schemas are put together from. */
import { type Static, Type } from "typebox";

export const text = Type.String();
export const count = Type.Integer({ minimum: 0 });
export const Counted = Type.Object({ packets: count, bytes: count });
/** Requests take no keys but their own; answers may grow. */
export const closed = { additionalProperties: false } as const;
/** A node whose part of a list is not there. */
export const Missing = Type.Object({ node: text, reason: text });
export type Missing = Static<typeof Missing>;
export const list = <S extends Type.TSchema>(item: S) =>
	Type.Object({ items: Type.Array(item) });
