/** The HTTP application: one port for people, programs and agents, under TLS. */
import type { Server } from "node:https";
import swagger from "@fastify/swagger";
import {
	type TypeBoxTypeProvider,
	TypeBoxValidatorCompiler,
} from "@fastify/type-provider-typebox";
import websocket from "@fastify/websocket";
import fastify, {
	type FastifyBaseLogger,
	type FastifyInstance,
	LogController,
	type RawReplyDefaultExpression,
	type RawRequestDefaultExpression,
} from "fastify";
import type { TlsIdentity } from "../controller/ca.js";
import { authenticate } from "./auth.js";
import type { Context } from "./context.js";
import { failure, failureOf } from "./failure.js";
import { agentRoutes } from "./routes/agents.js";
import { changeRoutes } from "./routes/changes.js";
import { eventRoutes } from "./routes/events.js";
import { functionRoutes } from "./routes/functions.js";
import { keyRoutes } from "./routes/keys.js";
import { liveRoutes } from "./routes/live.js";
import { metaRoutes } from "./routes/meta.js";
import { objectRoutes } from "./routes/objects.js";
import { tokenRoutes } from "./routes/tokens.js";

/** 10,000 policies of 1 kB and room to spare. */
const BODY_LIMIT_BYTES = 32 * 1024 * 1024;
/** The longest message of an agent: a full flow table. */
const MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024;
/** Never in a log, wherever an object that is logged may carry them. */
const SECRETS = [
	"headers.authorization",
	"*.headers.authorization",
	"token",
	"*.token",
	"secret",
	"*.secret",
	"key",
	"*.key",
];
const HEADERS_TIMEOUT_MS = 10_000;
/** To receive a whole request; answers may take as long as they need. */
const REQUEST_TIMEOUT_MS = 60_000;

export type App = FastifyInstance<
	Server,
	RawRequestDefaultExpression<Server>,
	RawReplyDefaultExpression<Server>,
	FastifyBaseLogger,
	TypeBoxTypeProvider
>;

export async function createApp(
	context: Context,
	tls: TlsIdentity,
	logLevel: string,
): Promise<App> {
	const app: App = fastify({
		logController: new LogController({ disableRequestLogging: true }),
		logger: {
			level: logLevel,
			stream: process.stderr,
			redact: { paths: SECRETS, censor: "[secret]" },
		},
		bodyLimit: BODY_LIMIT_BYTES,
		// Event streams and sessions would keep a closing server open for ever.
		forceCloseConnections: true,
		requestTimeout: REQUEST_TIMEOUT_MS,
		https: {
			...tls,
			// Tokens need no certificate; routes for agents check it (auth.ts).
			requestCert: true,
			rejectUnauthorized: false,
			headersTimeout: HEADERS_TIMEOUT_MS,
		},
	}).withTypeProvider<TypeBoxTypeProvider>();

	app.setValidatorCompiler(TypeBoxValidatorCompiler);
	// Responses are made by our own code to the schemas' types.
	app.setSerializerCompiler(() => (data) => JSON.stringify(data));
	app.setErrorHandler((error, request, reply) => {
		const { status, body } = failureOf(error, request.log);
		if (status === 401) reply.header("www-authenticate", "Bearer");
		return reply.status(status).send(body);
	});
	app.setNotFoundHandler((request, reply) => {
		const { status, body } = failure(
			"route_not_found",
			`${request.method} ${request.url.split("?")[0]}: no such route (see /openapi.json)`,
		);
		return reply.status(status).send(body);
	});

	await app.register(swagger, {
		openapi: {
			openapi: "3.1.0",
			info: {
				title: "Chainmail",
				description: "Security service chaining for Linux",
				version: context.version,
			},
			components: {
				securitySchemes: { token: { type: "http", scheme: "bearer" } },
			},
			security: [{ token: [] }],
		},
	});
	await app.register(websocket, {
		options: { maxPayload: MESSAGE_LIMIT_BYTES },
	});
	authenticate(
		app as unknown as FastifyInstance,
		context.tokens,
		context.enrollment,
	);
	for (const routes of [
		metaRoutes,
		objectRoutes,
		changeRoutes,
		functionRoutes,
		liveRoutes,
		keyRoutes,
		eventRoutes,
		tokenRoutes,
		agentRoutes,
	]) {
		await app.register(async (scope) =>
			routes(scope as unknown as App, context),
		);
	}
	return app;
}
