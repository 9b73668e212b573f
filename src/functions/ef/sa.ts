/** A security association as the authentication centre gives it, and its use. */
import { KernelError } from "../../kernel/error.js";
import { ESP } from "../../wire/esp.js";
import { NSH_MAC } from "../../wire/nsh-mac.js";
import type { Clock } from "./clock.js";

export type SaDirection = "out" | "in";

/**
 * What becomes of packets: ESP in tunnel mode; or a MAC in their NSH (RFC 9145),
 * over its path and metadata alone, or over the packet, too.
 */
export type SaTransform = "esp" | "mac-header" | "mac-packet";

/** Whichever comes first; none where absent. */
export interface SaLimits {
	/** Of the IP packets. */
	readonly bytes?: number;
	readonly packets?: number;
	/** By the clock of monotonicMs(): the SA ends whoever hangs or is dead. */
	readonly untilMs?: number;
}

export interface SaSpec {
	/** `out` encrypts what comes from inside, `in` decrypts what comes from outside. */
	readonly direction: SaDirection;
	readonly transform: SaTransform;
	/** Of ESP, or the MAC's key identifier. Never 0; up to 255 only by agreement (RFC 4303 §2.1). */
	readonly spi: number;
	/** 16 or 32 bytes, of a MAC 32. Whoever installs the SA takes and wipes them. */
	readonly key: Uint8Array<ArrayBuffer>;
	/** 4 bytes, of a MAC none; wiped with the key. */
	readonly salt: Uint8Array<ArrayBuffer>;
	/** Addresses of ESP's outer header, both of one family. */
	readonly tunnel: { readonly src: string; readonly dst: string };
	/** Extended sequence numbers (RFC 4304); a MAC always has them. */
	readonly extended: boolean;
	/**
	 * Service path header of the hop, `SPI << 8 | SI`, whose packets it is for; 0
	 * for packets without NSH, which have no place for a MAC.
	 */
	readonly path: number;
	/**
	 * The last number used (out) or received (in); 0 where absent. An `out` SA is
	 * installed twice only with a number beyond all it has sent: a number used
	 * again under the same key gives the key's secrets away.
	 */
	readonly lastSequence?: bigint;
	/** When a successor is asked for. */
	readonly soft?: SaLimits;
	/** When the SA is used no more. */
	readonly hard?: SaLimits;
}

/** What ran out, or is about to. */
export type SaLimit = "bytes" | "packets" | "sequence" | "time";

/** Told once for each kind: an SA that `expired` moves no packet any more. */
export interface SaEvent {
	readonly kind: "expiring" | "expired";
	readonly direction: SaDirection;
	readonly spi: number;
	readonly limit: SaLimit;
}

export interface SaUsage {
	readonly direction: SaDirection;
	readonly spi: number;
	readonly path: number;
	readonly packets: number;
	readonly bytes: number;
	/** The last number used or the highest received. */
	readonly lastSequence: bigint;
	readonly expired: boolean;
}

/** Throws for an SA that could not work; keeps its secrets out of the message. */
export function requireSa(spec: SaSpec): void {
	const fail = (cause: string, fix: string): never => {
		throw new KernelError(`install SA ${spec.spi}`, cause, fix);
	};
	const word = (value: number) =>
		Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
	if (!word(spec.spi) || spec.spi === 0)
		fail("its SPI is 0 or no 32-bit number", "use 256 to 4294967295");
	if (!word(spec.path)) fail("its path is no 32-bit number", "SPI << 8 | SI");
	const isMac = spec.transform !== "esp";
	if (!isMac && spec.salt.length !== ESP.salt)
		fail(`its salt has ${spec.salt.length} bytes`, "RFC 4106 takes 4");
	if (isMac && spec.key.length !== NSH_MAC.key)
		fail(`its key has ${spec.key.length} bytes`, "HMAC-SHA-256 takes 32 here");
	if (isMac && spec.path === 0)
		fail("it signs packets without NSH", "give it the path of its packets");
	const last = spec.lastSequence ?? 0n;
	if (last < 0n || last >> (spec.extended || isMac ? 64n : 32n) !== 0n)
		fail("its last sequence number does not fit", "extended ones have 64 bits");
	for (const limit of [spec.soft, spec.hard].flatMap((limits) =>
		Object.values(limits ?? {}),
	))
		if (!(limit > 0))
			fail("a limit is not above 0", "leave out what is unlimited");
}

const NONE: SaLimits = {};

/** Counts what an SA has carried, and says when it is (nearly) used up. */
export class Lifetime {
	packets = 0;
	bytes = 0;
	#expired = false;
	readonly #spec: Pick<SaSpec, "direction" | "spi">;
	readonly #soft: SaLimits;
	readonly #hard: SaLimits;
	readonly #untilMs: number;
	readonly #clock: Clock;
	readonly #tell: (event: SaEvent) => void;
	#expiring = false;

	constructor(
		{ direction, spi, soft = NONE, hard = NONE }: SaSpec,
		clock: Clock,
		tell: (event: SaEvent) => void,
	) {
		this.#spec = { direction, spi };
		this.#soft = soft;
		this.#hard = hard;
		this.#untilMs = hard.untilMs ?? Infinity;
		this.#clock = clock;
		this.#tell = tell;
	}

	/** Nothing is carried any more. */
	get expired(): boolean {
		if (!this.#expired && this.#clock.nowMs >= this.#untilMs) this.end("time");
		return this.#expired;
	}

	/** A packet has been carried. */
	spend(bytes: number): void {
		this.packets++;
		this.bytes += bytes;
		if (!this.#expiring) {
			const limit = this.#reached(this.#soft);
			if (limit !== undefined) this.warn(limit);
		}
		const limit = this.#reached(this.#hard);
		if (limit !== undefined) this.end(limit);
	}

	/** A successor is needed. */
	warn(limit: SaLimit): void {
		if (this.#expiring) return;
		this.#expiring = true;
		this.#tell({ kind: "expiring", ...this.#spec, limit });
	}

	end(limit: SaLimit): void {
		if (this.#expired) return;
		this.#expired = true;
		this.#tell({ kind: "expired", ...this.#spec, limit });
	}

	#reached({ packets, bytes, untilMs }: SaLimits): SaLimit | undefined {
		if (packets !== undefined && this.packets >= packets) return "packets";
		if (bytes !== undefined && this.bytes >= bytes) return "bytes";
		return untilMs !== undefined && this.#clock.nowMs >= untilMs
			? "time"
			: undefined;
	}
}
