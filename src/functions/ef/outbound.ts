/** Encrypts IP packets under one SA, in tunnel mode (RFC 4303 §3.3, RFC 4106). */
import { type AesGcmKey, aesGcmKey } from "../../kernel/aes-gcm.js";
import { Memory } from "../../kernel/memory.js";
import { ESP, espPadding } from "../../wire/esp.js";
import type { Clock } from "./clock.js";
import { setFamily } from "./frame.js";
import { ipProtocol, TunnelHeader, trafficClass } from "./ip.js";
import { Refusal } from "./refusal.js";
import {
	Lifetime,
	requireSa,
	type SaEvent,
	type SaSpec,
	type SaUsage,
} from "./sa.js";
import { Sequence } from "./sequence.js";

/** Nonce and authenticated words of the packet in hand. */
const SCRATCH = { nonce: 0, aad: 16, bytes: 32 };

/** Bytes behind a packet that sealing it overwrites. */
export const TRAILER_BYTES = ESP.alignment - 1 + ESP.trailer;

export class OutboundSa {
	readonly spi: number;
	readonly path: number;
	readonly #key: AesGcmKey;
	readonly #header: TunnelHeader;
	readonly #extended: boolean;
	readonly lifetime: Lifetime;
	readonly #scratch = Memory.allocate(SCRATCH.bytes);
	readonly #sequence: Sequence;

	/** Takes and wipes the key of the SA. */
	constructor(spec: SaSpec, clock: Clock, tell: (event: SaEvent) => void) {
		requireSa(spec);
		this.spi = spec.spi;
		this.path = spec.path;
		this.#extended = spec.extended;
		this.#header = new TunnelHeader(spec.tunnel);
		this.lifetime = new Lifetime(spec, clock, tell);
		this.#sequence = new Sequence(spec, this.lifetime);
		this.#scratch.bytes.set(spec.salt, SCRATCH.nonce);
		this.#key = aesGcmKey("seal", spec.key);
	}

	get usage(): SaUsage {
		const { packets, bytes, expired } = this.lifetime;
		return {
			direction: "out",
			spi: this.spi,
			path: this.path,
			packets,
			bytes,
			lastSequence: this.#sequence.last,
			expired,
		};
	}

	/** Length of the frame that one with a packet of `bytes` at `offset` becomes. */
	frameBytes(offset: number, bytes: number): number {
		return offset + this.#sealedBytes(bytes);
	}

	/**
	 * Writes the packet of `bytes` in the frame at `at` as ESP into the frame at
	 * `toAt`, both at `offset`; 0, or why it was refused. What is in front is there
	 * already. Overwrites TRAILER_BYTES behind the packet.
	 */
	seal(
		from: Memory,
		at: number,
		offset: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		if (this.lifetime.expired || !this.#sequence.countUp())
			return Refusal.expired;
		const packet = at + offset;
		const plaintext = writeTrailer(from, packet, bytes);
		const sealed = this.#sealedBytes(bytes);
		const { view } = to;
		setFamily(view, toAt, offset, this.#header.family);
		const outer = toAt + offset;
		this.#header.write(view, outer, sealed, trafficClass(from.view, packet));

		const { high, low } = this.#sequence;
		const esp = outer + this.#header.bytes;
		const iv = esp + ESP.header;
		const ciphertext = iv + ESP.iv;
		view.setUint32(esp, this.spi);
		view.setUint32(esp + 4, low);
		view.setUint32(iv, high);
		view.setUint32(iv + 4, low);
		this.#key.seal(
			this.#nonce(),
			this.#extended ? this.#aad() : to.address + esp,
			this.#extended ? 12 : 8,
			from.address + packet,
			plaintext,
			to.address + ciphertext,
			to.address + ciphertext + plaintext,
		);
		this.lifetime.spend(bytes);
		return 0;
	}

	/** Wipes the key. */
	free(): void {
		this.#key.free();
		this.#scratch.bytes.fill(0);
	}

	#sealedBytes(bytes: number): number {
		const payload = bytes + espPadding(bytes) + ESP.trailer;
		return this.#header.bytes + ESP.header + ESP.iv + payload + ESP.icv;
	}

	/** The sequence number is the IV: never twice under a key (RFC 4106 §3.1). */
	#nonce(): number {
		const { view, address } = this.#scratch;
		view.setUint32(SCRATCH.nonce + ESP.salt, this.#sequence.high);
		view.setUint32(SCRATCH.nonce + ESP.salt + 4, this.#sequence.low);
		return address + SCRATCH.nonce;
	}

	#aad(): number {
		const { view, address } = this.#scratch;
		view.setUint32(SCRATCH.aad, this.spi);
		view.setUint32(SCRATCH.aad + 4, this.#sequence.high);
		view.setUint32(SCRATCH.aad + 8, this.#sequence.low);
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
