/**
 * Signs packets' NSH under one SA, and verifies it (RFC 9145): against packets
 * that are forged, changed, late or sent again. They stay readable.
 */
import { HmacSha256 } from "../../kernel/hmac.js";
import { Memory } from "../../kernel/memory.js";
import { NSH_MAC } from "../../wire/nsh-mac.js";
import type { Clock } from "./clock.js";
import { MD1_PACKET_AT, MD2_PACKET_AT, NSH_AT } from "./frame.js";
import { MAC_TLV, MD2, signedMs, writeMd2 } from "./md2.js";
import { Refusal } from "./refusal.js";
import {
	Lifetime,
	requireSa,
	type SaEvent,
	type SaSpec,
	type SaUsage,
} from "./sa.js";
import { Sequence } from "./sequence.js";
import { ReplayWindow } from "./window.js";

/** How far the clocks of two nodes, and a packet's way, may be apart. */
export const MAX_SKEW_MS = 2000;

/** What both ends have: key, and what the MAC is over. */
class Signer {
	readonly transform: keyof typeof MAC_TLV;
	readonly #hmac: HmacSha256;
	/** Whole HMAC, of which half travels. */
	readonly #scratch = Memory.allocate(NSH_MAC.key);

	/** Takes and wipes the key of the SA. */
	constructor(spec: SaSpec) {
		this.transform =
			spec.transform === "mac-header" ? "mac-header" : "mac-packet";
		this.#hmac = new HmacSha256(spec.key);
	}

	/** The MAC of the NSH at `nsh`, whose own place is zero, and `bytes` behind. */
	compute(memory: Memory, nsh: number, bytes: number): DataView {
		const covered = this.transform === "mac-packet" ? bytes : 0;
		this.#hmac.sign(
			memory.address + nsh + MD2.path,
			MD2.bytes - MD2.path + covered,
			this.#scratch.address,
		);
		return this.#scratch.view;
	}

	free(): void {
		this.#hmac.free();
		this.#scratch.bytes.fill(0);
	}
}

export class SigningSa {
	readonly spi: number;
	readonly path: number;
	readonly lifetime: Lifetime;
	readonly #signer: Signer;
	readonly #sequence: Sequence;
	readonly #clock: Clock;

	constructor(spec: SaSpec, clock: Clock, tell: (event: SaEvent) => void) {
		requireSa(spec);
		this.spi = spec.spi;
		this.path = spec.path;
		this.#clock = clock;
		this.lifetime = new Lifetime(spec, clock, tell);
		this.#sequence = new Sequence({ ...spec, extended: true }, this.lifetime);
		this.#signer = new Signer(spec);
	}

	get usage(): SaUsage {
		return usage("out", this, this.#sequence.last);
	}

	/** Length of the frame that one with a packet of `bytes` becomes. */
	frameBytes(_offset: number, bytes: number): number {
		return MD2_PACKET_AT + bytes;
	}

	/**
	 * Writes NSH and packet of the frame at `at`; 0, or why it was refused. What is
	 * in front of them is there already.
	 */
	seal(
		from: Memory,
		at: number,
		_offset: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		if (this.lifetime.expired || !this.#sequence.countUp())
			return Refusal.expired;
		const packet = at + MD1_PACKET_AT;
		from.bytes.copy(to.bytes, toAt + MD2_PACKET_AT, packet, packet + bytes);
		const nsh = toAt + NSH_AT;
		const { high, low } = this.#sequence;
		writeMd2(from.view, at + NSH_AT, to.view, nsh, {
			transform: this.#signer.transform,
			keyId: this.spi,
			...{ high, low },
			wallMs: this.#clock.wallMs,
		});
		const mac = this.#signer.compute(to, nsh, bytes);
		for (let i = 0; i < NSH_MAC.mac; i += 4)
			to.view.setUint32(nsh + MD2.mac + i, mac.getUint32(i));
		this.lifetime.spend(bytes);
		return 0;
	}

	/** Wipes the key. */
	free(): void {
		this.#signer.free();
	}
}

export class VerifyingSa {
	readonly spi: number;
	readonly path: number;
	readonly lifetime: Lifetime;
	readonly #signer: Signer;
	readonly #window: ReplayWindow;
	readonly #clock: Clock;

	constructor(spec: SaSpec, clock: Clock, tell: (event: SaEvent) => void) {
		requireSa(spec);
		this.spi = spec.spi;
		this.path = spec.path;
		this.#clock = clock;
		this.lifetime = new Lifetime(spec, clock, tell);
		this.#window = new ReplayWindow(true, spec.lastSequence);
		this.#signer = new Signer(spec);
	}

	get usage(): SaUsage {
		return usage("in", this, this.#window.last);
	}

	/**
	 * Copies the packet of `bytes` behind the NSH at `nsh` to `toAt`, once it has
	 * proved genuine; 0, or why it was refused. Zeroes the MAC at `nsh`.
	 */
	open(
		from: Memory,
		nsh: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		if (this.lifetime.expired) return Refusal.expired;
		const { view } = from;
		if (view.getUint32(nsh + MD2.macTlv) !== MAC_TLV[this.#signer.transform])
			return Refusal.malformed;
		const high = view.getUint32(nsh + MD2.sequence);
		const low = view.getUint32(nsh + MD2.sequence + 4);
		const verdict = this.#window.judge(high, low);
		if (verdict !== 0) return verdict;
		if (Math.abs(signedMs(view, nsh) - this.#clock.wallMs) > MAX_SKEW_MS)
			return Refusal.stale;
		if (!this.#isGenuine(from, nsh, bytes)) return Refusal.badMac;
		this.#window.accept(high, low);
		const packet = nsh + MD2.bytes;
		from.bytes.copy(to.bytes, toAt, packet, packet + bytes);
		this.lifetime.spend(bytes);
		return 0;
	}

	/** Wipes the key. */
	free(): void {
		this.#signer.free();
	}

	/** Takes as long whatever is wrong. */
	#isGenuine(from: Memory, nsh: number, bytes: number): boolean {
		const { view } = from;
		const at = nsh + MD2.mac;
		const claimed = [0, 4, 8, 12].map((i) => view.getUint32(at + i));
		for (let i = 0; i < NSH_MAC.mac; i += 4) view.setUint32(at + i, 0);
		const mac = this.#signer.compute(from, nsh, bytes);
		return (
			claimed.reduce(
				(all, word, i) => all | (word ^ mac.getUint32(4 * i)),
				0,
			) === 0
		);
	}
}

function usage(
	direction: SaUsage["direction"],
	{ spi, path, lifetime }: Pick<SigningSa, "spi" | "path" | "lifetime">,
	lastSequence: bigint,
): SaUsage {
	const { packets, bytes, expired } = lifetime;
	return { direction, spi, path, packets, bytes, lastSequence, expired };
}
