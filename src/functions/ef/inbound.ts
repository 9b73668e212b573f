/** Decrypts ESP under one SA, in tunnel mode (RFC 4303 §3.4, RFC 4106). */
import { type AesGcmKey, aesGcmKey } from "../../kernel/aes-gcm.js";
import { Memory } from "../../kernel/memory.js";
import { ESP } from "../../wire/esp.js";
import { IpProto } from "../../wire/ipv4.js";
import type { Clock } from "./clock.js";
import {
	ECN_CE,
	ipBytes,
	ipProtocol,
	markCongested,
	trafficClass,
} from "./ip.js";
import { Refusal } from "./refusal.js";
import {
	Lifetime,
	requireSa,
	type SaEvent,
	type SaSpec,
	type SaUsage,
} from "./sa.js";
import { ReplayWindow } from "./window.js";

const OVERHEAD = ESP.header + ESP.iv + ESP.icv;
/** Nonce and authenticated words of the packet in hand. */
const SCRATCH = { nonce: 0, aad: 16, bytes: 32 };
const ECN = 3;

export class InboundSa {
	readonly spi: number;
	readonly path: number;
	readonly #key: AesGcmKey;
	readonly #extended: boolean;
	readonly lifetime: Lifetime;
	readonly #window: ReplayWindow;
	readonly #scratch = Memory.allocate(SCRATCH.bytes);

	/** Takes and wipes the key of the SA. */
	constructor(spec: SaSpec, clock: Clock, tell: (event: SaEvent) => void) {
		requireSa(spec);
		this.spi = spec.spi;
		this.path = spec.path;
		this.#extended = spec.extended;
		this.lifetime = new Lifetime(spec, clock, tell);
		this.#window = new ReplayWindow(spec.extended, spec.lastSequence);
		this.#scratch.bytes.set(spec.salt, SCRATCH.nonce);
		this.#key = aesGcmKey("open", spec.key);
	}

	get usage(): SaUsage {
		const { packets, bytes, expired } = this.lifetime;
		return {
			direction: "in",
			spi: this.spi,
			path: this.path,
			packets,
			bytes,
			lastSequence: this.#window.last,
			expired,
		};
	}

	/**
	 * Writes the IP packet within `bytes` of ESP at `at` to `toAt`; returns its
	 * length, or why it was refused. `outerClass`: DSCP and ECN it arrived with.
	 * Whatever comes of it, `bytes` at `toAt` may be overwritten.
	 */
	open(
		from: Memory,
		at: number,
		bytes: number,
		outerClass: number,
		to: Memory,
		toAt: number,
	): number {
		if (this.lifetime.expired) return Refusal.expired;
		const encrypted = bytes - OVERHEAD;
		if (encrypted < ESP.alignment || encrypted % ESP.alignment !== 0)
			return Refusal.malformed;
		const low = from.view.getUint32(at + 4);
		const high = this.#window.recoverHigh(low);
		const verdict = this.#window.judge(high, low);
		if (verdict !== 0) return verdict;

		const iv = at + ESP.header;
		const ciphertext = iv + ESP.iv;
		const genuine = this.#key.open(
			this.#nonce(from.view, iv),
			this.#extended ? this.#aad(high, low) : from.address + at,
			this.#extended ? 12 : 8,
			from.address + ciphertext,
			encrypted,
			to.address + toAt,
			from,
			ciphertext + encrypted,
		);
		if (!genuine) return Refusal.badIcv;
		this.#window.accept(high, low);
		const length = innerBytes(to.view, toAt, encrypted);
		if (length > 0) this.lifetime.spend(length);
		return length > 0
			? passCongestion(to.view, toAt, length, outerClass)
			: length;
	}

	/** Wipes the key. */
	free(): void {
		this.#key.free();
		this.#scratch.bytes.fill(0);
	}

	#nonce(view: DataView, iv: number): number {
		const scratch = this.#scratch;
		const at = SCRATCH.nonce + ESP.salt;
		scratch.view.setUint32(at, view.getUint32(iv));
		scratch.view.setUint32(at + 4, view.getUint32(iv + 4));
		return scratch.address + SCRATCH.nonce;
	}

	#aad(high: number, low: number): number {
		const { view, address } = this.#scratch;
		view.setUint32(SCRATCH.aad, this.spi);
		view.setUint32(SCRATCH.aad + 4, high);
		view.setUint32(SCRATCH.aad + 8, low);
		return address + SCRATCH.aad;
	}
}

/** Length of the packet in what was decrypted, or why it is none. */
function innerBytes(view: DataView, at: number, decrypted: number): number {
	const end = decrypted - ESP.trailer;
	const padding = view.getUint8(at + end);
	const nextHeader = view.getUint8(at + end + 1);
	const available = end - padding;
	if (available < 0) return Refusal.malformed;
	for (let i = 0; i < padding; i++)
		if (view.getUint8(at + available + i) !== i + 1) return Refusal.malformed;
	if (nextHeader === IpProto.noNext) return Refusal.dummy;
	/* Bytes between packet and padding hide its length (RFC 4303 §2.7). */
	const length = ipBytes(view, at, available);
	return length > 0 && ipProtocol(view, at) === nextHeader
		? length
		: Refusal.malformed;
}

/** Congestion on the tunnel's way reaches the receiver: RFC 6040 §4.2. */
function passCongestion(
	view: DataView,
	at: number,
	bytes: number,
	outerClass: number,
): number {
	if ((outerClass & ECN) !== ECN_CE) return bytes;
	if ((trafficClass(view, at) & ECN) === 0) return Refusal.congested;
	markCongested(view, at);
	return bytes;
}
