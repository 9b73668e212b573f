/**
 * Words of the authentication centre: links, security associations and their
 * lifetimes, as RFC 9061 (ikeless case) and RFC 4301 have them.
 */
import type { Transform } from "../plan/state.js";
import type { Secret } from "./secret.js";

/**
 * `key` and `salt` in bytes. AES-GCM: the 4-byte salt follows the key
 * (RFC 4106 section 8.1). HMAC (RFC 9145) covers the NSH alone, or the packet
 * in it, too.
 */
export const ALGORITHMS = {
	"aes-gcm-128": { key: 16, salt: 4 },
	"aes-gcm-256": { key: 32, salt: 4 },
	"hmac-sha-256-header": { key: 32, salt: 0 },
	"hmac-sha-256-packet": { key: 32, salt: 0 },
} as const satisfies Record<Transform, { key: number; salt: number }>;
export type Algorithm = Transform;

/** Packets of an SA without extended sequence numbers (RFC 4303 section 3.3.3). */
export const MAX_SEQUENCE = 2 ** 32 - 1;

/** How long an SA may be used (`sa-lifetime`): whichever end comes first. */
export interface Lifetime {
	readonly timeMs: number;
	readonly bytes: number;
	readonly packets: number;
}

/** A hop from one encryption function (EF) to another, one way, for one flow class. */
export interface Link {
	/** Encryption path and index in the outer header; together they name the link. */
	readonly eSpi: number;
	readonly eSi: number;
	readonly flowClass: string;
	/** Names of the EFs, as in their certificates. */
	readonly sender: string;
	readonly receiver: string;
	readonly algorithm: Algorithm;
	readonly extSeqNum: boolean;
	/** Packets that may overtake each other (`anti-replay-window-size`). */
	readonly antiReplayWindowSize: number;
	/** An SA is never used longer. */
	readonly hard: Lifetime;
}

/** The end of a link an EF is. */
export type Role = "sender" | "receiver";

/** One SA among all that ever were: generations of a link only rise. */
export interface SaRef {
	readonly eSpi: number;
	readonly eSi: number;
	readonly generation: number;
}

/** What an EF is given of an SA (`sad-entry`), without the key. */
export interface SadEntry extends SaRef {
	readonly role: Role;
	/** The EF at the other end. */
	readonly peer: string;
	readonly flowClass: string;
	readonly algorithm: Algorithm;
	readonly extSeqNum: boolean;
	readonly antiReplayWindowSize: number;
	/** From here on the sender asks for a successor. */
	readonly soft: Lifetime;
	/** Here the EF deletes it by itself. */
	readonly hard: Lifetime;
	/** Since it was issued: lifetimes count from then on, at both ends alike. */
	readonly ageMs: number;
}

/** A SAD entry and its key, salt behind the key. */
export interface KeyedEntry extends SadEntry {
	readonly key: Secret;
}

/** What ends an SA (`sadb-expire`, `sadb-seq-overflow`). */
export type Expiry = "time" | "bytes" | "packets" | "seq-overflow";

/** Why a link gets another SA. */
export type RekeyReason =
	| Expiry
	/** It has none. */
	| "first"
	/** An end lost its SA. */
	| "lost"
	/** It ended before a successor was in use. */
	| "expired"
	| "refused"
	/** The centre restarted before both ends had the key. */
	| "restarted"
	| "revoked"
	/** Other ends, algorithm or lifetime. */
	| "changed"
	/** In use, but issued by a centre that has lost its state. */
	| "adopted"
	| "asked";

/** Hard limits of what is really possible: sequence numbers never wrap. */
export function hardLimits(link: Link): Lifetime {
	return {
		...link.hard,
		packets: link.extSeqNum
			? link.hard.packets
			: Math.min(link.hard.packets, MAX_SEQUENCE),
	};
}

export function scaled(life: Lifetime, by: number): Lifetime {
	return {
		timeMs: Math.floor(life.timeMs * by),
		bytes: Math.floor(life.bytes * by),
		packets: Math.floor(life.packets * by),
	};
}

/** Whether the same SA can serve both. */
export function sameLink(a: Link, b: Link): boolean {
	return (
		a.sender === b.sender &&
		a.receiver === b.receiver &&
		a.flowClass === b.flowClass &&
		a.algorithm === b.algorithm &&
		a.extSeqNum === b.extSeqNum &&
		a.antiReplayWindowSize === b.antiReplayWindowSize &&
		a.hard.timeMs === b.hard.timeMs &&
		a.hard.bytes === b.hard.bytes &&
		a.hard.packets === b.hard.packets
	);
}

/** Why a link cannot be served; undefined: it can. */
export function linkProblem(link: Link): string | undefined {
	const { hard } = link;
	if (link.sender === link.receiver) return "both ends are one EF";
	if (![hard.timeMs, hard.bytes, hard.packets].every((one) => one >= 1)) {
		return "hard lifetime must be positive in time, bytes and packets";
	}
	return undefined;
}
