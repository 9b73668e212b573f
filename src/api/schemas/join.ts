/** How a node joins and renews its certificate; the types of the agent are in plan/join.ts. */
import { type Static, Type } from "typebox";
import { Name } from "../../model/terms.js";
import { closed, count, text } from "./parts.js";

export const JoinTokenRequest = Type.Object(
	{
		node: Name,
		ttlMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 604_800_000 })),
	},
	closed,
);
export type JoinTokenRequest = Static<typeof JoinTokenRequest>;
export const JoinTokenCreated = Type.Object({
	/** `<secret>.<SHA-256 of the CA certificate>`, usable once. */
	token: text,
	node: text,
	expiresMs: count,
});
export type JoinTokenCreated = Static<typeof JoinTokenCreated>;

const csr = Type.String({ minLength: 1, maxLength: 8192 });
export const JoinRequest = Type.Object(
	{
		node: Name,
		secret: Type.String({ minLength: 1, maxLength: 128 }),
		csr,
	},
	closed,
);
export const RenewRequest = Type.Object({ csr }, closed);
export const JoinAnswer = Type.Object({
	certificate: text,
	ca: text,
	renewAfterMs: count,
});
