/** The routes of agents: join with a token, renew, the session; and their end. */
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { Fault } from "../../controller/fault.js";
import { Name } from "../../model/terms.js";
import { JOIN_PATH, RENEW_PATH, SESSION_PATH } from "../../plan/join.js";
import type { App } from "../app.js";
import { callerOf, type NodeIdentity, STAFF } from "../auth.js";
import type { Context } from "../context.js";
import {
	ErrorBody,
	JoinAnswer,
	JoinRequest,
	RenewRequest,
} from "../schemas.js";

/** Certificate requests are small; strangers may send to JOIN_PATH. */
const BODY_LIMIT_BYTES = 16 * 1024;

export async function agentRoutes(
	app: App,
	{ enrollment, fleet, keys }: Context,
): Promise<void> {
	app.post(
		JOIN_PATH,
		{
			config: { access: "public" },
			bodyLimit: BODY_LIMIT_BYTES,
			schema: {
				body: JoinRequest,
				response: { 200: JoinAnswer, default: ErrorBody },
				security: [],
			},
		},
		async ({ body: { node, secret, csr } }) =>
			enrollment.join(node, secret, csr),
	);

	app.post(
		RENEW_PATH,
		{
			config: { access: "node" },
			bodyLimit: BODY_LIMIT_BYTES,
			schema: {
				body: RenewRequest,
				response: { 200: JoinAnswer, default: ErrorBody },
				security: [],
			},
		},
		async (request) => {
			const { name, serial } = nodeOf(request);
			return enrollment.renew(name, serial, request.body.csr);
		},
	);

	app.get(
		SESSION_PATH,
		{
			config: { access: "node" },
			websocket: true,
			schema: { hide: true },
		},
		async (socket, request) => {
			const { name, serial } = nodeOf(request);
			fleet.accept(name, socket);
			// It may have been revoked while the connection was made.
			if (!(await enrollment.isCurrent(name, serial))) {
				fleet.disconnect(name, "revoked");
			}
		},
	);

	app.post(
		"/v1/nodes/:name/revoke",
		{
			config: { access: STAFF },
			schema: {
				description:
					"Refuses the node's certificate and unused join tokens from now on, ends its session and revokes its keys. What is declared stays, and so does the node's data plane.",
				params: Type.Object({ name: Name }),
				response: { 204: Type.Null(), default: ErrorBody },
			},
		},
		async (request, reply) => {
			const { name: node } = request.params;
			const { name: who } = callerOf(request);
			await enrollment.revoke(node, who);
			fleet.disconnect(node, "revoked by an operator");
			await keys.revoke({ node }, who).catch((error) => {
				const cause = error instanceof Error ? error.message : String(error);
				throw new Fault(
					"keys_unavailable",
					`revoke ${node}: its session is ended, its keys are still in use: ${cause} (then: chainmail keys revoke node ${node})`,
				);
			});
			return reply.status(204).send(null);
		},
	);
}

function nodeOf(request: Pick<FastifyRequest, "node">): NodeIdentity {
	if (request.node !== null) return request.node;
	throw new Fault("certificate_required", "agent route: no certificate");
}
