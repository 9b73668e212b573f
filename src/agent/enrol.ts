/**
 * How the agent gets and keeps its identity. The key is made here and never
 * leaves the node; the controller is known by the CA fingerprint in the token
 * before the token's secret is sent.
 */
import { createHash, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { Agent, request } from "undici";
import { newRequest } from "../functions/certificate.js";
import { readIfThere, writePrivate } from "../kernel/files.js";
import {
	JOIN_PATH,
	type JoinAnswer,
	parseJoinToken,
	RENEW_PATH,
} from "../plan/join.js";

const TIMEOUT_MS = 10_000;

export interface Identity {
	/** PKCS #8, PEM. */
	readonly key: string;
	readonly certificate: string;
	readonly ca: string;
	/** Ask for the next certificate from this moment on (ms since 1970). */
	readonly renewAfterMs: number;
}

/** The identity kept in the state directory; undefined where the node has not joined. */
export function readIdentity(stateDir: string): Identity | undefined {
	const text = readIfThere(identityFile(stateDir));
	return text === undefined ? undefined : (JSON.parse(text) as Identity);
}

/** Joins with a one-time token, and keeps the identity with mode 0600. */
export async function joinController(
	url: string,
	node: string,
	token: string,
	stateDir: string,
): Promise<Identity> {
	const { secret, pin } = parseJoinToken(token);
	const ca = await pinnedAuthority(url, pin);
	const { key, csr } = await newRequest(node);
	const answer = await post(
		`join ${url}`,
		url + JOIN_PATH,
		{ ca },
		{ node, secret, csr },
	);
	return keep(stateDir, key, { ...answer, ca });
}

/** The next certificate, with a new key, for a node that has joined. */
export async function renewIdentity(
	url: string,
	node: string,
	identity: Identity,
	stateDir: string,
): Promise<Identity> {
	const { key, csr } = await newRequest(node);
	const answer = await post(
		`renew certificate at ${url}`,
		url + RENEW_PATH,
		tlsOf(identity),
		{ csr },
	);
	return keep(stateDir, key, { ...answer, ca: identity.ca });
}

/** Options of mutual TLS with the controller. */
export function tlsOf(identity: Identity): {
	ca: string;
	key: string;
	cert: string;
} {
	return { ca: identity.ca, key: identity.key, cert: identity.certificate };
}

/**
 * The authority that the server shows, if its SHA-256 is the pin. Nothing is
 * sent before that: a false controller learns no secret.
 */
export async function pinnedAuthority(
	url: string,
	pin: string,
): Promise<string> {
	const chain = await shownChain(url);
	const found = chain.find(
		(der) => createHash("sha256").update(der).digest("hex") === pin,
	);
	if (found) return new X509Certificate(found).toString();
	throw new Error(
		`join ${url}: the server does not show the authority of the token (is it the right controller? else somebody stands between)`,
	);
}

function shownChain(url: string): Promise<Buffer[]> {
	const { hostname, port } = new URL(url);
	const host = hostname.replace(/^\[|\]$/g, "");
	return new Promise((resolve, reject) => {
		const socket = connect({
			host,
			port: Number(port || 443),
			rejectUnauthorized: false,
		});
		const fail = (cause: string): void => {
			socket.destroy();
			reject(
				new Error(
					`join ${url}: ${cause} (does the controller run, and is its address reachable from here?)`,
				),
			);
		};
		socket.setTimeout(TIMEOUT_MS, () => fail(`no answer in ${TIMEOUT_MS} ms`));
		socket.once("error", (error) => fail(error.message));
		socket.once("secureConnect", () => {
			const chain = new Map<string, Buffer>();
			/* The root of the chain names itself as its issuer. */
			for (
				let at: DetailedPeerCertificate | undefined =
					socket.getPeerCertificate(true);
				at?.raw && !chain.has(at.fingerprint256);
				at = at.issuerCertificate
			)
				chain.set(at.fingerprint256, at.raw);
			socket.destroy();
			resolve([...chain.values()]);
		});
	});
}

async function post(
	operation: string,
	url: string,
	tls: { ca: string; key?: string; cert?: string },
	body: object,
): Promise<JoinAnswer> {
	const dispatcher = new Agent({ connect: tls, headersTimeout: TIMEOUT_MS });
	try {
		const { statusCode, body: answer } = await request(url, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(body),
			dispatcher,
		});
		const text = await answer.text();
		if (statusCode !== 200) throw new Error(messageOf(text, statusCode));
		return JSON.parse(text) as JoinAnswer;
	} catch (error) {
		throw new Error(
			`${operation}: ${error instanceof Error ? error.message : String(error)}`,
		);
	} finally {
		await dispatcher.close();
	}
}

/** The message of an error of the API, or what came instead of one. */
function messageOf(text: string, status: number): string {
	const found = /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
	return found === undefined
		? `status ${status}`
		: (JSON.parse(`"${found}"`) as string);
}

function keep(
	stateDir: string,
	key: string,
	{ certificate, ca, renewAfterMs }: JoinAnswer,
): Identity {
	const identity: Identity = { key, certificate, ca, renewAfterMs };
	writePrivate(identityFile(stateDir), JSON.stringify(identity));
	return identity;
}

function identityFile(stateDir: string): string {
	return join(stateDir, "identity.json");
}
