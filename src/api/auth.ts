/** Who may call which route. Every route says it; one that does not is closed. */
import type { TLSSocket } from "node:tls";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Enrollment } from "../controller/enroll.js";
import { Fault } from "../controller/fault.js";
import type { Role, Token, Tokens } from "../controller/tokens.js";

/** `public`: anybody; `node`: an agent's client certificate; else a token's roles. */
export type Access = "public" | "node" | readonly Role[];

export const ADMIN: Access = ["admin"];
export const STAFF: Access = ["admin", "operator"];
export const EVERYONE: Access = ["admin", "operator", "tenant"];

export interface NodeIdentity {
	/** The certificate's common name. */
	readonly name: string;
	readonly serial: string;
}

declare module "fastify" {
	interface FastifyContextConfig {
		access?: Access;
	}
	interface FastifyRequest {
		/** Set on routes for tokens. */
		identity: Token | null;
		/** Set on routes for agents: what the certificate proves. */
		node: NodeIdentity | null;
	}
}

/** Puts the check in front of every route of the application. */
export function authenticate(
	app: FastifyInstance,
	tokens: Tokens,
	enrollment: Enrollment,
): void {
	app.decorateRequest("identity", null);
	app.decorateRequest("node", null);
	app.addHook("onRequest", async (request) => {
		// Unknown routes: the not-found handler answers, there is nothing to guard.
		if (request.is404) return;
		const access = request.routeOptions.config.access ?? [];
		if (access === "public") return;
		if (access === "node") {
			request.node = await nodeOf(request, enrollment);
			return;
		}
		const identity = await bearerOf(request, tokens);
		if (!access.includes(identity.role)) {
			throw new Fault(
				"forbidden",
				`${request.method} ${request.routeOptions.url}: role ${identity.role} may not do this (needs ${access.join(" or ") || "nobody"})`,
			);
		}
		request.identity = identity;
	});
}

/** The caller on a route for tokens. */
export function callerOf(request: FastifyRequest): Token {
	if (request.identity) return request.identity;
	throw new Fault("unauthenticated", "request: no token was checked");
}

/** The tenant a caller is confined to; undefined: none. */
export function confinedTo(request: FastifyRequest): string | undefined {
	return callerOf(request).tenant;
}

async function bearerOf(
	request: FastifyRequest,
	tokens: Tokens,
): Promise<Token> {
	const header = request.headers.authorization ?? "";
	const bearer = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(header)?.[1];
	const identity = bearer && (await tokens.verify(bearer));
	if (identity) return identity;
	throw new Fault(
		"unauthenticated",
		bearer
			? "token: unknown, revoked or expired (ask an admin for a new one)"
			: "request: no token (send `Authorization: Bearer TOKEN`)",
	);
}

async function nodeOf(
	request: FastifyRequest,
	enrollment: Enrollment,
): Promise<NodeIdentity> {
	const socket = request.raw.socket as TLSSocket;
	const certificate = socket.getPeerCertificate();
	const refused = (cause: string) =>
		new Fault(
			"certificate_required",
			`agent route: ${cause} (join the node with a join token)`,
		);
	// `authorized` covers chain, purpose and validity; CN is ours (ca.ts).
	if (!socket.authorized) throw refused("no valid client certificate");
	const { CN } = certificate.subject;
	if (typeof CN !== "string") throw refused("certificate without a name");
	if (!(await enrollment.isCurrent(CN, certificate.serialNumber))) {
		throw refused(
			`certificate of ${CN} was revoked, or replaced by a newer one`,
		);
	}
	return { name: CN, serial: certificate.serialNumber };
}
