/** Tokens of the API and one-time tokens for nodes that join. */
import { Type } from "typebox";
import { Fault } from "../../controller/fault.js";
import type { App } from "../app.js";
import { ADMIN, callerOf, STAFF } from "../auth.js";
import type { Context } from "../context.js";
import {
	ErrorBody,
	JoinTokenCreated,
	JoinTokenRequest,
	TokenCreated,
	TokenList,
	TokenRequest,
} from "../schemas.js";

export async function tokenRoutes(
	app: App,
	{ store, tokens, enrollment, log, reconciler }: Context,
): Promise<void> {
	const admin = { config: { access: ADMIN } };

	app.post(
		"/v1/tokens",
		{
			...admin,
			schema: {
				body: TokenRequest,
				response: { 201: TokenCreated, default: ErrorBody },
			},
		},
		async (request, reply) => {
			const { tenant } = request.body;
			if (tenant !== undefined && !reconciler.intent.tenants.has(tenant)) {
				throw new Fault(
					"not_found",
					`token: there is no tenant ${tenant} (declare it first, or see \`chainmail get tenants\`)`,
				);
			}
			const { token, stored, write } = tokens.create(request.body);
			const event = log.draft({
				kind: "token",
				message: `token ${stored.name} (${stored.id}) made, role ${stored.role}`,
				who: callerOf(request).name,
			});
			await store.transact([write, event.write]);
			event.publish();
			return reply.status(201).send({ ...stored, token });
		},
	);

	app.get(
		"/v1/tokens",
		{ ...admin, schema: { response: { 200: TokenList, default: ErrorBody } } },
		async () => ({ items: await tokens.list() }),
	);

	app.delete(
		"/v1/tokens/:id",
		{
			...admin,
			schema: {
				params: Type.Object({ id: Type.String({ maxLength: 40 }) }),
				response: { 204: Type.Null(), default: ErrorBody },
			},
		},
		async (request, reply) => {
			const { id } = request.params;
			const event = log.draft({
				kind: "token",
				message: `token ${id} revoked`,
				who: callerOf(request).name,
			});
			await store.transact([await tokens.revoke(id), event.write]);
			event.publish();
			return reply.status(204).send(null);
		},
	);

	app.post(
		"/v1/join-tokens",
		{
			config: { access: STAFF },
			schema: {
				body: JoinTokenRequest,
				response: { 201: JoinTokenCreated, default: ErrorBody },
			},
		},
		async (request, reply) => {
			const { node, ttlMs } = request.body;
			const who = callerOf(request).name;
			const created = await enrollment.createToken(node, who, ttlMs);
			return reply.status(201).send(created);
		},
	);
}
