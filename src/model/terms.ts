/** What schemas of all kinds are made of: names, addresses. */
import { Type } from "typebox";
import { INTERFACE_NAME } from "./interface-name.js";

/** Longest name that still fits derived kernel names with their prefixes. */
const NAME_MAX = 40;

export const NAME = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
export const NAME_RULE = "lower-case letters, digits and dashes";
export const Name = Type.String({
	pattern: NAME,
	minLength: 1,
	maxLength: NAME_MAX,
	description: NAME_RULE,
});

/** IPv4 or IPv6 prefix in CIDR form; checked semantically after the schema. */
export const Prefix = Type.String({ minLength: 2, maxLength: 43 });
export const Address = Type.String({ minLength: 2, maxLength: 39 });
/** The same with what it is for; a plain copy would lose what TypeBox hides in it. */
export const described = <S extends Type.TSchema>(
	schema: S,
	description: string,
): S =>
	Object.defineProperties({} as S, {
		...Object.getOwnPropertyDescriptors(schema),
		description: { value: description, enumerable: true },
	});
export const InterfaceName = Type.String({ pattern: INTERFACE_NAME });

/** No other properties than those named. */
export const closed = { additionalProperties: false } as const;
