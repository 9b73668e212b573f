/** The routes of agents: join with a token, renew, and the session. */
import type { FastifyRequest } from "fastify";
import { Fault } from "../../controller/fault.js";
import { JOIN_PATH, RENEW_PATH, SESSION_PATH } from "../../plan/join.js";
import type { App } from "../app.js";
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
	{ enrollment, fleet }: Context,
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
		async (request) => enrollment.renew(nodeOf(request), request.body.csr),
	);

	app.get(
		SESSION_PATH,
		{
			config: { access: "node" },
			websocket: true,
			schema: { hide: true },
		},
		(socket, request) => fleet.accept(nodeOf(request), socket),
	);
}

function nodeOf(request: Pick<FastifyRequest, "node">): string {
	if (request.node !== null) return request.node;
	throw new Fault("certificate_required", "agent route: no certificate");
}
