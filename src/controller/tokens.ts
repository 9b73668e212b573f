/** Bearer tokens of the API: shown once, kept as hashes, each with a role. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { Fault } from "./fault.js";
import type { Store, Write } from "./store/store.js";

export type Role = "admin" | "operator" | "tenant";

/** Who calls: what a token proves. */
export interface Identity {
	readonly name: string;
	readonly role: Role;
	/** Set exactly where the role is `tenant`. */
	readonly tenant?: string;
}

export interface Token extends Identity {
	readonly id: string;
	readonly createdMs: number;
	readonly expiresMs?: number;
}

interface StoredToken extends Token {
	readonly hash: string;
}

export interface NewToken extends Identity {
	readonly ttlMs?: number;
}

export interface Tokens {
	/** Writes to commit (with an audit event), and the only copy of the secret. */
	create(wanted: NewToken): { token: string; stored: Token; write: Write };
	/** Who the bearer is; undefined: unknown, revoked or expired. */
	verify(bearer: string): Promise<Identity | undefined>;
	list(): Promise<Token[]>;
	/** The write that revokes it; throws Fault not_found. */
	revoke(id: string): Promise<Write>;
}

const PREFIX = "token/";
const hashOf = (text: string) => createHash("sha256").update(text).digest();

export function openTokens(store: Store, now: () => number = Date.now): Tokens {
	return {
		create({ ttlMs, ...identity }) {
			if ((identity.role === "tenant") !== (identity.tenant !== undefined)) {
				throw new Fault(
					"invalid_request",
					"token: `tenant` goes with the role tenant, and only with it (name the tenant, or choose another role)",
				);
			}
			const id = randomBytes(6).toString("hex");
			const token = `cm_${id}_${randomBytes(32).toString("base64url")}`;
			const stored: Token = {
				id,
				...identity,
				createdMs: now(),
				...(ttlMs === undefined ? {} : { expiresMs: now() + ttlMs }),
			};
			// 256 random bits need no slow hash: there is nothing to guess.
			const value: StoredToken = {
				...stored,
				hash: hashOf(token).toString("hex"),
			};
			return { token, stored, write: { key: PREFIX + id, value } };
		},

		async verify(bearer) {
			const id = /^cm_([0-9a-f]{12})_/.exec(bearer)?.[1];
			if (!id) return undefined;
			const found = (await store.get(PREFIX + id))?.value as
				| StoredToken
				| undefined;
			if (!found) return undefined;
			const same = timingSafeEqual(
				hashOf(bearer),
				Buffer.from(found.hash, "hex"),
			);
			if (!same || (found.expiresMs ?? Number.POSITIVE_INFINITY) <= now()) {
				return undefined;
			}
			const { name, role, tenant } = found;
			return { name, role, ...(tenant === undefined ? {} : { tenant }) };
		},

		async list() {
			return (await store.list(PREFIX)).map((entry) => {
				const { hash: _, ...token } = entry.value as StoredToken;
				return token;
			});
		},

		async revoke(id) {
			if (!(await store.get(PREFIX + id))) {
				throw new Fault(
					"not_found",
					`token ${id}: there is none of that id (see \`chainmail get tokens\`)`,
				);
			}
			return { key: PREFIX + id, value: undefined };
		},
	};
}
