/**
 * How nodes get and keep their certificates: one-time join tokens, and which
 * certificates of a node count. Joining again puts the older ones out of use.
 */
import { createHash, randomBytes } from "node:crypto";
import { formatJoinToken, type JoinAnswer } from "../plan/join.js";
import type { Authority } from "./ca.js";
import type { EventLog } from "./events.js";
import { Fault } from "./fault.js";
import type { Store } from "./store/store.js";

const DEFAULT_TTL_MS = 3_600_000;

interface StoredJoinToken {
	readonly node: string;
	readonly expiresMs: number;
}

interface StoredIdentity {
	/** Newest last. The one before counts too: the answer may have been lost. */
	readonly serials: readonly string[];
}

export interface Enrollment {
	createToken(
		node: string,
		who: string,
		ttlMs?: number,
	): Promise<{ token: string; node: string; expiresMs: number }>;
	/** Throws Fault join_token_invalid or certificate_request_invalid. */
	join(node: string, secret: string, csr: string): Promise<JoinAnswer>;
	/** The next certificate for a node that showed its present one, by its serial. */
	renew(node: string, serial: string, csr: string): Promise<JoinAnswer>;
	/**
	 * Puts the node's certificates and unused join tokens out of use: only a new
	 * token lets it in again. Throws Fault not_found where it has neither.
	 */
	revoke(node: string, who: string): Promise<void>;
	/** Whether a certificate of this authority is one of the node's present ones. */
	isCurrent(node: string, serial: string): Promise<boolean>;
	/** Nodes that have joined. */
	joined(): Promise<string[]>;
}

const tokenKey = (secret: string) =>
	`join/${createHash("sha256").update(secret).digest("hex")}`;
const IDENTITY = "identity/";

export function openEnrollment(
	store: Store,
	authority: Authority,
	log: EventLog,
	now: () => number = Date.now,
): Enrollment {
	async function identity(node: string) {
		const entry = await store.get(IDENTITY + node);
		return {
			version: entry?.version ?? 0,
			serials: (entry?.value as StoredIdentity | undefined)?.serials ?? [],
		};
	}

	return {
		async createToken(node, who, ttlMs = DEFAULT_TTL_MS) {
			const secret = randomBytes(24).toString("base64url");
			const value: StoredJoinToken = { node, expiresMs: now() + ttlMs };
			const event = log.draft({
				kind: "token",
				message: `join token for node ${node} made`,
				who,
			});
			const expired = (await store.list("join/"))
				.filter((e) => (e.value as StoredJoinToken).expiresMs <= now())
				.map((e) => ({ key: e.key, value: undefined }));
			await store.transact([
				{ key: tokenKey(secret), value },
				event.write,
				...expired,
			]);
			event.publish();
			const token = formatJoinToken({ secret, pin: authority.pin });
			return { token, node, expiresMs: value.expiresMs };
		},

		async join(node, secret, csr) {
			const key = tokenKey(secret);
			const entry = await store.get(key);
			const token = entry?.value as StoredJoinToken | undefined;
			// One answer for all causes: a guesser learns nothing.
			const refusal = new Fault(
				"join_token_invalid",
				`join ${node}: the token is unknown, used, expired or of another node (make a new one with \`chainmail token join ${node}\`)`,
			);
			if (!token || token.node !== node || token.expiresMs <= now()) {
				throw refusal;
			}
			const issued = await authority.issue(csr, node);
			const event = log.draft({
				kind: "join",
				message: `node ${node} joined`,
				node,
				who: node,
			});
			const used = await store.transact(
				[
					{ key, value: undefined },
					{ key: IDENTITY + node, value: { serials: [issued.serial] } },
					event.write,
				],
				[{ key, version: entry?.version ?? 0 }],
			);
			if (used === undefined) throw refusal;
			event.publish();
			return answer(authority, issued);
		},

		async renew(node, serial, csr) {
			const issued = await authority.issue(csr, node);
			const { version, serials } = await identity(node);
			if (!serials.includes(serial)) {
				throw new Fault(
					"certificate_required",
					`renew ${node}: the certificate was revoked or replaced (join the node with a new token)`,
				);
			}
			const value: StoredIdentity = {
				serials: [...serials.slice(-1), issued.serial],
			};
			if (!(await store.compareAndSwap(IDENTITY + node, version, value))) {
				throw new Fault(
					"certificate_required",
					`renew ${node}: another renewal was faster (try again)`,
				);
			}
			return answer(authority, issued);
		},

		async revoke(node, who) {
			const tokens = (await store.list("join/")).filter(
				(entry) => (entry.value as StoredJoinToken).node === node,
			);
			const { version } = await identity(node);
			if (version === 0 && tokens.length === 0) {
				throw new Fault(
					"not_found",
					`revoke node ${node}: it has not joined (see \`chainmail get nodes\`)`,
				);
			}
			const event = log.draft({
				kind: "revoke",
				message: `node ${node} revoked: its certificate and join tokens are refused`,
				node,
				who,
			});
			await store.transact([
				{ key: IDENTITY + node, value: undefined },
				...tokens.map(({ key }) => ({ key, value: undefined })),
				event.write,
			]);
			event.publish();
		},

		async isCurrent(node, serial) {
			return (await identity(node)).serials.includes(serial);
		},

		async joined() {
			const entries = await store.list(IDENTITY);
			return entries.map((entry) => entry.key.slice(IDENTITY.length));
		},
	};
}

function answer(
	authority: Authority,
	issued: { certificate: string; renewAfterMs: number },
): JoinAnswer {
	return {
		certificate: issued.certificate,
		ca: authority.certificate,
		renewAfterMs: issued.renewAfterMs,
	};
}
