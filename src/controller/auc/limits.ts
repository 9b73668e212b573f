/**
 * How much one may ask for: a few at once, and a few a second; and how many may
 * wait at the door.
 */
import {
	formatAddress,
	formatPrefix,
	network,
	parseAddress,
} from "../../model/address.js";

export interface Rate {
	readonly perSecond: number;
	/** So many at once after a quiet time. */
	readonly burst: number;
}

/** What stands before an IPv4 address in an IPv6 one (RFC 4291 section 2.5.5.2). */
const MAPPED = 0xffffn;
const MAX_IPV4 = 0xffff_ffffn;

/** Above it those that are quiet again are forgotten. */
const TIDY_AT = 4096;

/** Token buckets, one a key; what is asked of it is allowed or not. */
export class RateLimit {
	readonly #rate: Rate;
	readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
	#tidyAt = TIDY_AT;

	constructor(rate: Rate) {
		this.#rate = rate;
	}

	/** `nowMs`: of a clock that only rises. */
	allows(key: string, nowMs: number, cost = 1): boolean {
		const { perSecond, burst } = this.#rate;
		if (this.#buckets.size > this.#tidyAt) this.#tidy(nowMs);
		const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
		const refilled = ((nowMs - bucket.atMs) / 1000) * perSecond;
		bucket.tokens = Math.min(burst, bucket.tokens + refilled);
		bucket.atMs = nowMs;
		this.#buckets.set(key, bucket);
		if (bucket.tokens < cost) return false;
		bucket.tokens -= cost;
		return true;
	}

	#tidy(nowMs: number): void {
		const { perSecond, burst } = this.#rate;
		const fullMs = (burst / perSecond) * 1000;
		for (const [key, { atMs }] of this.#buckets) {
			if (nowMs - atMs > fullMs) this.#buckets.delete(key);
		}
		/* Not at every call, should there be more of them for a while. */
		this.#tidyAt = Math.max(TIDY_AT, 2 * this.#buckets.size);
	}
}

export interface Room {
	readonly total: number;
	readonly ofOneSource: number;
}

/**
 * Those that have not proved who they are. There is always room for another one:
 * the oldest of its own source goes, or of the source that has most.
 */
export class Lobby<T> {
	readonly #room: Room;
	readonly #evict: (one: T) => void;
	/** Each in the order in which they came. */
	readonly #bySource = new Map<string, Set<T>>();
	#size = 0;

	constructor(room: Room, evict: (one: T) => void) {
		this.#room = room;
		this.#evict = evict;
	}

	/** Returns the way out, which may be taken again. */
	enter(source: string, one: T): () => void {
		const { total, ofOneSource } = this.#room;
		const before = this.#bySource.get(source)?.size ?? 0;
		if (before >= ofOneSource) this.#evictOf(source);
		else if (this.#size >= total) this.#evictOf(this.#fullest());
		const all = this.#bySource.get(source) ?? new Set();
		this.#bySource.set(source, all.add(one));
		this.#size++;
		return () => this.#leave(source, one);
	}

	#leave(source: string, one: T): void {
		const all = this.#bySource.get(source);
		if (!all?.delete(one)) return;
		this.#size--;
		if (all.size === 0) this.#bySource.delete(source);
	}

	#evictOf(source: string): void {
		const [oldest] = this.#bySource.get(source) ?? [];
		if (oldest === undefined) return;
		this.#leave(source, oldest);
		this.#evict(oldest);
	}

	/** The one that came first, where several have as many. */
	#fullest(): string {
		let fullest = "";
		let most = 0;
		for (const [source, { size }] of this.#bySource) {
			if (size > most) [fullest, most] = [source, size];
		}
		return fullest;
	}
}

/**
 * Whose an address is: an IPv4 address itself; of IPv6 the first 64 bits, as
 * whoever has one address there has them all.
 */
export function sourceOf(address: string): string {
	if (!address.includes(":")) return address;
	const [plain = ""] = address.split("%");
	const value = parseAddress(plain)?.value;
	if (value === undefined) return address;
	if (value >> 32n === MAPPED) return formatAddress(4, value & MAX_IPV4);
	return formatPrefix(network({ family: 6, address: value, length: 64 }));
}
