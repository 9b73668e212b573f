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
	verify(bearer: string): Promise<Token | undefined>;
	/**
	 * Calls back once, when the token is revoked or expires, at once where that
	 * has happened already; returns the way to stop.
	 */
	onEnd(token: Token, listener: () => void): () => void;
	list(): Promise<Token[]>;
	/** The write that revokes it; throws Fault not_found. */
	revoke(id: string): Promise<Write>;
	/** The writes that revoke all tokens of a tenant: they must not fit a later one. */
	revokeTenant(tenant: string): Promise<Write[]>;
}

/** Longest that a timer can wait. */
const LONGEST_MS = 0x7fff_ffff;

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
			return withoutHash(found);
		},

		onEnd({ id, expiresMs = Number.POSITIVE_INFINITY }, listener) {
			const key = PREFIX + id;
			let timer: NodeJS.Timeout | undefined;
			let ended = false;
			const stop = () => {
				ended = true;
				clearTimeout(timer);
				unwatch();
			};
			const end = () => {
				if (ended) return;
				stop();
				listener();
			};
			const unwatch = store.watch(key, ({ writes }) => {
				if (writes.some((w) => w.key === key && w.value === undefined)) end();
			});
			const wait = () => {
				const leftMs = expiresMs - now();
				if (leftMs <= 0) return end();
				timer = setTimeout(wait, Math.min(leftMs, LONGEST_MS));
				timer.unref();
			};
			wait();
			// It may have been revoked since it was verified.
			store.get(key).then((entry) => {
				if (!entry) end();
			}, end);
			return stop;
		},

		async list() {
			return (await store.list(PREFIX)).map((entry) =>
				withoutHash(entry.value as StoredToken),
			);
		},

		async revoke(id) {
			if (!(await store.get(PREFIX + id))) {
				throw new Fault(
					"not_found",
					`token ${id}: there is none of that id (see \`chainmail token list\`)`,
				);
			}
			return { key: PREFIX + id, value: undefined };
		},

		async revokeTenant(tenant) {
			return (await store.list(PREFIX))
				.filter((entry) => (entry.value as StoredToken).tenant === tenant)
				.map(({ key }) => ({ key, value: undefined }));
		},
	};
}

function withoutHash({ hash: _, ...token }: StoredToken): Token {
	return token;
}
