/**
 * A centre's door to its controller, where it runs in a process of its own: HTTPS
 * with mutual TLS. remote.ts is the other side.
 */
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import {
	type TypeBoxTypeProvider,
	TypeBoxValidatorCompiler,
} from "@fastify/type-provider-typebox";
import fastify from "fastify";
import { Type } from "typebox";
import type { Target } from "../../keys/auc-state.js";
import { ALGORITHMS, type Algorithm, type Link } from "../../keys/sa.js";
import { Secret } from "../../keys/secret.js";
import { linkId, MAX_E_SPI } from "../../keys/spi.js";
import { Name } from "../../model/terms.js";
import type { TlsIdentity } from "../ca.js";
import { Fault } from "../fault.js";
import type { KeyAuthority } from "./authority.js";
import { CONTROLLER_NAME } from "./credentials.js";
import type { Trail } from "./trail.js";

/** 100,000 links. */
const BODY_LIMIT_BYTES = 64 * 2 ** 20;
const KEY_LIMIT_BYTES = 1024;
const TIMEOUT_MAX_MS = 3_600_000;
/** A follower that lets more than this wait is cut off: it comes back. */
const BACKLOG_BYTES = 1024 * 1024;
/** An empty line, so that a dead connection is noticed. */
export const HEARTBEAT_MS = 5000;

const closed = { additionalProperties: false } as const;
const text = Type.String({ minLength: 1, maxLength: 255 });
const count = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const eSpi = Type.Integer({ minimum: 1, maximum: MAX_E_SPI });
const LinkBody = Type.Object(
	{
		eSpi,
		eSi: Type.Integer({ minimum: 0, maximum: 255 }),
		flowClass: text,
		sender: text,
		receiver: text,
		algorithm: Type.Enum(Object.keys(ALGORITHMS) as Algorithm[]),
		extSeqNum: Type.Boolean(),
		antiReplayWindowSize: count,
		hard: Type.Object({ timeMs: count, bytes: count, packets: count }, closed),
	},
	closed,
);
const Links = Type.Array(LinkBody, { maxItems: 100_000 });
const TargetBody = Type.Union([
	Type.Object({ node: Name }, closed),
	Type.Object({ eSpi }, closed),
	Type.Object(
		{ spi: Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 }) },
		closed,
	),
]);

export interface Control {
	readonly port: number;
	renew(identity: TlsIdentity): void;
	close(): Promise<void>;
}

export interface ControlOptions {
	readonly host: string;
	readonly port: number;
	readonly identity: TlsIdentity;
	/** Serial number of the controller's certificate. */
	readonly controller: string;
	readonly log: (line: string) => void;
}

/** Offers the authority to the one controller whose certificate counts. */
export async function openControl(
	authority: KeyAuthority,
	trail: Trail,
	{ host, port, identity, controller, log }: ControlOptions,
): Promise<Control> {
	const app = fastify({
		logger: false,
		bodyLimit: BODY_LIMIT_BYTES,
		forceCloseConnections: true,
		https: {
			...identity,
			requestCert: true,
			rejectUnauthorized: true,
		},
	}).withTypeProvider<TypeBoxTypeProvider>();
	app.setValidatorCompiler(TypeBoxValidatorCompiler);
	app.addContentTypeParser(
		"application/octet-stream",
		{ parseAs: "buffer", bodyLimit: KEY_LIMIT_BYTES },
		(_, body, done) => done(null, body),
	);
	app.addHook("onRequest", async (request) => {
		const socket = request.raw.socket as TLSSocket;
		const { subject, serialNumber } = socket.getPeerCertificate();
		const isController =
			subject?.CN === CONTROLLER_NAME && serialNumber === controller;
		if (isController) return;
		throw new Fault("forbidden", "auc: the certificate is no controller's");
	});
	app.setErrorHandler((error, _, reply) => {
		if (error instanceof Fault) {
			const { code, message } = error;
			return reply.status(409).send({ code, message });
		}
		const cause = error instanceof Error ? error.message : String(error);
		const { statusCode: status = 500 } = error as { statusCode?: number };
		if (status >= 500) log(`auc: ${cause}`);
		return reply
			.status(status)
			.send({ code: "internal", message: `auc: ${cause}` });
	});

	app.put("/links", { schema: { body: Links } }, async (request, reply) => {
		await authority.declare(request.body);
		return reply.status(204).send();
	});
	app.post(
		"/ready",
		{
			schema: {
				body: Type.Object({
					links: Links,
					timeoutMs: Type.Integer({ minimum: 0, maximum: TIMEOUT_MAX_MS }),
				}),
			},
		},
		async (request, reply) => {
			const { links, timeoutMs } = request.body;
			const gone = new AbortController();
			reply.raw.once("close", () => gone.abort());
			const left = await authority.ready(links, timeoutMs, gone.signal);
			return left.map((link: Link) => linkId(link));
		},
	);
	app.post(
		"/revoke",
		{ schema: { body: Type.Object({ target: TargetBody, by: text }) } },
		async ({ body: { target, by } }, reply) => {
			await authority.revoke(target as Target, by);
			return reply.status(204).send();
		},
	);
	app.post(
		"/admit",
		{ schema: { body: Type.Object({ node: Name, by: text }) } },
		async ({ body: { node, by } }, reply) => {
			await authority.admit(node, by);
			return reply.status(204).send();
		},
	);
	app.post(
		"/rekey",
		{ schema: { body: TargetBody } },
		async ({ body }, reply) => {
			await authority.rekey(body as Target);
			return reply.status(204).send();
		},
	);
	app.put(
		"/efs/:name/key",
		{ schema: { params: Type.Object({ name: Name }) } },
		async ({ params: { name }, body }, reply) => {
			if (!Buffer.isBuffer(body)) {
				throw new Fault("invalid_request", "auc: the key is not in bytes");
			}
			await authority.configure(name, new Secret(body));
			return reply.status(204).send();
		},
	);
	app.get("/status", async () => authority.status());
	app.get(
		"/audit",
		{
			schema: {
				querystring: Type.Object({ after: Type.Optional(count) }),
			},
		},
		(request, reply) => {
			reply.hijack();
			const { raw } = reply;
			raw.writeHead(200, { "content-type": "application/x-ndjson" });
			const write = (line: string) => {
				if (raw.writableLength > BACKLOG_BYTES) raw.destroy();
				else raw.write(`${line}\n`);
			};
			write("");
			const stop = trail.follow(
				(one) => write(JSON.stringify(one)),
				request.query.after,
			);
			const heartbeat = setInterval(() => write(""), HEARTBEAT_MS);
			raw.once("close", () => {
				stop();
				clearInterval(heartbeat);
			});
		},
	);

	await app.listen({ host, port });
	const server = app.server as Server;
	return {
		port: (server.address() as AddressInfo).port,
		renew: (next) => server.setSecureContext(next),
		close: () => app.close(),
	};
}
