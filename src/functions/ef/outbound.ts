/** Encrypts IP packets under one SA, in tunnel mode (RFC 4303 §3.3, RFC 4106). */
import { AesGcm } from "../../kernel/libcrypto.js";
import { Memory } from "../../kernel/memory.js";
import { ESP, espPadding } from "../../wire/esp.js";
import { ipProtocol, TunnelHeader, trafficClass } from "./ip.js";
import { Refusal } from "./refusal.js";
import {
	Lifetime,
	requireSa,
	type SaEvent,
	type SaSpec,
	type SaUsage,
} from "./sa.js";

const MAX_WORD = 0xffffffff;
/** With this part of the sequence numbers left a successor is asked for. */
const SPARE_NUMBERS = 1 / 16;
/** Nonce and authenticated words of the packet in hand. */
const SCRATCH = { nonce: 0, aad: 16, bytes: 32 };

/** Bytes behind a packet that sealing it overwrites. */
export const TRAILER_BYTES = ESP.alignment - 1 + ESP.trailer;

export class OutboundSa {
	readonly spi: number;
	readonly path: number;
	readonly #key: AesGcm;
	readonly #header: TunnelHeader;
	readonly #extended: boolean;
	readonly #lifetime: Lifetime;
	readonly #scratch = Memory.allocate(SCRATCH.bytes);
	/** Of the upper half where numbers are extended, of the lower where not. */
	readonly #warnFrom = Math.ceil(MAX_WORD * (1 - SPARE_NUMBERS));
	#high: number;
	#low: number;

	/** Takes and wipes the key of the SA. */
	constructor(spec: SaSpec, tell: (event: SaEvent) => void) {
		requireSa(spec);
		this.spi = spec.spi;
		this.path = spec.path;
		this.#extended = spec.extended;
		this.#header = new TunnelHeader(spec.tunnel);
		this.#lifetime = new Lifetime(spec, tell);
		const last = spec.lastSequence ?? 0n;
		this.#high = Number(last >> 32n);
		this.#low = Number(last & 0xffffffffn);
		this.#scratch.bytes.set(spec.salt, SCRATCH.nonce);
		this.#key = new AesGcm("seal", spec.key);
	}

	get usage(): SaUsage {
		const { packets, bytes, expired } = this.#lifetime;
		return {
			direction: "out",
			spi: this.spi,
			path: this.path,
			packets,
			bytes,
			lastSequence: (BigInt(this.#high) << 32n) | BigInt(this.#low),
			expired,
		};
	}

	/** Of the outer header. */
	get family(): 4 | 6 {
		return this.#header.family;
	}

	/** Length of what a packet of `bytes` becomes. */
	sealedBytes(bytes: number): number {
		const payload = bytes + espPadding(bytes) + ESP.trailer;
		return this.#header.bytes + ESP.header + ESP.iv + payload + ESP.icv;
	}

	/**
	 * Writes the packet of `bytes` at `at` as ESP to `toAt`; returns the length of
	 * that, or why it was refused. Overwrites TRAILER_BYTES behind the packet.
	 */
	seal(
		from: Memory,
		at: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		if (this.#lifetime.expired || !this.#countUp()) return Refusal.expired;
		const plaintext = writeTrailer(from, at, bytes);
		const sealed = this.sealedBytes(bytes);
		const { view } = to;
		this.#header.write(view, toAt, sealed, trafficClass(from.view, at));

		const esp = toAt + this.#header.bytes;
		const iv = esp + ESP.header;
		const ciphertext = iv + ESP.iv;
		view.setUint32(esp, this.spi);
		view.setUint32(esp + 4, this.#low);
		view.setUint32(iv, this.#high);
		view.setUint32(iv + 4, this.#low);
		this.#key.seal(
			this.#nonce(),
			this.#extended ? this.#aad() : to.address + esp,
			this.#extended ? 12 : 8,
			from.address + at,
			plaintext,
			to.address + ciphertext,
			to.address + ciphertext + plaintext,
		);
		this.#lifetime.spend(bytes);
		return sealed;
	}

	/** Wipes the key. */
	free(): void {
		this.#key.free();
		this.#scratch.bytes.fill(0);
	}

	/** Takes the next number; false where the last one has been used. */
	#countUp(): boolean {
		if (this.#low !== MAX_WORD) {
			this.#low++;
		} else if (this.#extended && this.#high !== MAX_WORD) {
			this.#high++;
			this.#low = 0;
		} else {
			this.#lifetime.end("sequence");
			return false;
		}
		const decisive = this.#extended ? this.#high : this.#low;
		if (decisive >= this.#warnFrom) this.#lifetime.warn("sequence");
		if (this.#low === MAX_WORD && (!this.#extended || this.#high === MAX_WORD))
			this.#lifetime.end("sequence");
		return true;
	}

	/** The sequence number is the IV: never twice under a key (RFC 4106 §3.1). */
	#nonce(): number {
		const { view, address } = this.#scratch;
		view.setUint32(SCRATCH.nonce + ESP.salt, this.#high);
		view.setUint32(SCRATCH.nonce + ESP.salt + 4, this.#low);
		return address + SCRATCH.nonce;
	}

	#aad(): number {
		const { view, address } = this.#scratch;
		view.setUint32(SCRATCH.aad, this.spi);
		view.setUint32(SCRATCH.aad + 4, this.#high);
		view.setUint32(SCRATCH.aad + 8, this.#low);
		return address + SCRATCH.aad;
	}
}

/** Padding 1, 2, 3 …, its length and the next header; returns the whole length. */
function writeTrailer(from: Memory, at: number, bytes: number): number {
	const padding = espPadding(bytes);
	const { view } = from;
	let end = at + bytes;
	for (let i = 1; i <= padding; i++) view.setUint8(end++, i);
	view.setUint8(end++, padding);
	view.setUint8(end++, ipProtocol(view, at));
	return end - at;
}
