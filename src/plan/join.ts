/**
 * How a node joins: an HTTPS request with a one-time token and a certificate
 * request; afterwards only mutual TLS. Shared by agent, controller and CLI.
 */

/** WebSocket of an agent's session; needs the node's client certificate. */
export const SESSION_PATH = "/agent/v1/session";
/** POST JoinRequest → JoinAnswer; needs no client certificate. */
export const JOIN_PATH = "/agent/v1/join";
/** POST RenewRequest → JoinAnswer; needs the present client certificate. */
export const RENEW_PATH = "/agent/v1/renew";

export interface JoinRequest {
	readonly node: string;
	/** The part of the join token before the dot. */
	readonly secret: string;
	/** PKCS #10 in PEM; its subject is ignored, the node's name is put there. */
	readonly csr: string;
}

export interface RenewRequest {
	readonly csr: string;
}

export interface JoinAnswer {
	/** Client certificate, PEM. */
	readonly certificate: string;
	/** CA certificate, PEM: check its SHA-256 against the token's pin. */
	readonly ca: string;
	/** Ask for the next certificate from this moment on (ms since 1970). */
	readonly renewAfterMs: number;
}

/** What the operator carries to the node: `<secret>.<pin>`. */
export interface JoinToken {
	readonly secret: string;
	/** SHA-256 of the CA certificate's DER in hex, as in kubeadm. */
	readonly pin: string;
}

export function formatJoinToken(token: JoinToken): string {
	return `${token.secret}.${token.pin}`;
}

/** Throws where the text is no join token. */
export function parseJoinToken(text: string): JoinToken {
	const found = /^([A-Za-z0-9_-]{16,128})\.([0-9a-f]{64})$/.exec(text.trim());
	if (!found?.[1] || !found[2]) {
		throw new Error(
			"join token: not of the form <secret>.<sha256> (copy it whole from `chainmail token join`)",
		);
	}
	return { secret: found[1], pin: found[2] };
}
