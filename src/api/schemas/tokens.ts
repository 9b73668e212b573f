/** Who may call: tokens of the API and its roles, and the CLI on the same machine. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { closed, count, list, text } from "./parts.js";

export const Role = Type.Union([
	Type.Literal("admin"),
	Type.Literal("operator"),
	Type.Literal("tenant"),
]);
export type Role = Static<typeof Role>;

export const TokenRequest = Type.Object(
	{
		name: Name,
		role: Role,
		tenant: Type.Optional(Name),
		ttlMs: Type.Optional(Type.Integer({ minimum: 1000 })),
	},
	closed,
);
export type TokenRequest = Static<typeof TokenRequest>;
export const TokenView = Type.Object({
	id: text,
	name: text,
	role: Role,
	tenant: Type.Optional(text),
	createdMs: count,
	expiresMs: Type.Optional(count),
});
export type TokenView = Static<typeof TokenView>;
/** The only time the token itself is shown: at rest it is a hash. */
export const TokenCreated = Type.Object({
	...TokenView.properties,
	token: text,
});
export type TokenCreated = Static<typeof TokenCreated>;
export const TokenList = list(TokenView);

/** `<data>/admin.json`, mode 0600: how the CLI on the same machine gets in. */
export const AdminFile = Type.Object({ url: text, token: text, ca: text });
export type AdminFile = Static<typeof AdminFile>;
