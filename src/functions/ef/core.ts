/**
 * The encryption function on frames in memory: inside are IP packets, outside is
 * ESP, or what has a MAC, both in VXLAN-GPE with NSH, or bare for packets of no path. Whatever does not come out counts under its reason.
 */

import { KernelError } from "../../kernel/error.js";
import type { Memory } from "../../kernel/memory.js";
import { Clock } from "./clock.js";
import type { EfTraffic, EfUsage } from "./engine.js";
import {
	ETHERNET_BYTES,
	FrameHeader,
	MD1_PACKET_AT,
	MD2_PACKET_AT,
	NSH_AT,
	packetOffset,
	pathOf,
	setFamily,
} from "./frame.js";
import { type Heart, readHeartbeat } from "./heartbeat.js";
import { InboundSa } from "./inbound.js";
import { espOffset, ipBytes, isIpv4Fragment, trafficClass } from "./ip.js";
import { MD2, restoreMd1 } from "./md2.js";
import { OutboundSa } from "./outbound.js";
import { Refusal, RefusalCounters } from "./refusal.js";
import type { SaDirection, SaEvent, SaSpec, SaUsage } from "./sa.js";
import { SigningSa, VerifyingSa } from "./signed.js";

/** How frames leave one side. */
export interface EfSide {
	/** MAC addresses, 6 bytes each. */
	readonly dst: Uint8Array;
	readonly src: Uint8Array;
	/** The longest frame without its Ethernet header. */
	readonly mtuBytes: number;
}

export interface EfSides {
	readonly inside: EfSide;
	readonly outside: EfSide;
}

/** The error of installing an SPI twice. */
export function duplicate(spi: number): KernelError {
	return new KernelError(
		`install SA ${spi}`,
		"there is one of this SPI already",
		"remove it, or use the SPI of a new key generation",
	);
}

class Tally {
	packets = 0;
	bytes = 0;
	readonly refusals = new RefusalCounters();

	read(): EfTraffic {
		const { packets, bytes, refusals } = this;
		return { packets, bytes, refused: refusals.read() };
	}
}

/** A heartbeat: neither a packet nor refused. */
const HEARD = 0;

/** What an SA does to frames that leave. */
type Sealer = OutboundSa | SigningSa;

export class EfCore {
	/** By path and by SPI; what signs has SPIs of its own. */
	readonly #outbound = new Map<number, Sealer>();
	readonly #inbound = new Map<number, InboundSa>();
	readonly #verifying = new Map<number, VerifyingSa>();
	readonly #out = new Tally();
	readonly #in = new Tally();
	readonly #inside: FrameHeader;
	readonly #outside: FrameHeader;
	readonly #sides: EfSides;
	readonly #tell: (event: SaEvent) => void;
	/** Hears the heartbeats that come from outside. */
	heart: Heart | undefined;

	constructor(
		sides: EfSides,
		tell: (event: SaEvent) => void,
		readonly clock = new Clock(),
	) {
		this.#sides = sides;
		this.#inside = new FrameHeader(sides.inside.dst, sides.inside.src);
		this.#outside = new FrameHeader(sides.outside.dst, sides.outside.src);
		this.#tell = tell;
	}

	/**
	 * Takes an SA and wipes its secrets. An `out` SA takes the place of the one
	 * that served its path, which is gone then.
	 */
	install(spec: SaSpec): void {
		try {
			if (this.#find(spec.direction, spec.spi) !== undefined)
				throw duplicate(spec.spi);
			const { clock } = this;
			const tell = this.#tell;
			const signs = spec.transform !== "esp";
			if (spec.direction === "in") {
				if (signs)
					this.#verifying.set(spec.spi, new VerifyingSa(spec, clock, tell));
				else this.#inbound.set(spec.spi, new InboundSa(spec, clock, tell));
				return;
			}
			const sa = signs
				? new SigningSa(spec, clock, tell)
				: new OutboundSa(spec, clock, tell);
			this.#outbound.get(spec.path)?.free();
			this.#outbound.set(spec.path, sa);
		} finally {
			spec.key.fill(0);
			spec.salt.fill(0);
		}
	}

	/** Wipes an SA and returns what it has carried; undefined where there is none. */
	remove(direction: SaDirection, spi: number): SaUsage | undefined {
		const sa = this.#find(direction, spi);
		if (sa === undefined) return undefined;
		const { usage } = sa;
		sa.free();
		if (direction === "in") {
			this.#inbound.delete(spi);
			this.#verifying.delete(spi);
		} else this.#outbound.delete(sa.path);
		return usage;
	}

	usage(): EfUsage {
		return {
			out: this.#out.read(),
			in: this.#in.read(),
			sas: this.#all().map(({ usage }) => usage),
		};
	}

	/** Ends SAs whose time is over, and wipes the keys of all that have ended. */
	endOverdue(): void {
		for (const sa of this.#all()) if (sa.lifetime.expired) sa.free();
	}

	/** Wipes all keys. */
	close(): void {
		for (const sa of this.#all()) sa.free();
		this.#outbound.clear();
		this.#inbound.clear();
		this.#verifying.clear();
	}

	/** Counts a frame that never came as far as `seal` or `open`. */
	refuse(direction: SaDirection, code: number): void {
		(direction === "out" ? this.#out : this.#in).refusals.count(code);
	}

	/**
	 * Encrypts a frame from inside to `toAt`; returns its length there, 0 where
	 * it was refused. `from` has TRAILER_BYTES behind the frame to overwrite, and
	 * `to` room for a frame of the outside's MTU.
	 */
	seal(
		from: Memory,
		at: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		const result = this.#seal(from, at, bytes, to, toAt);
		return settle(this.#out, result);
	}

	#seal(
		from: Memory,
		at: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		const { view } = from;
		const offset = packetOffset(view, at, bytes);
		if (offset < 0) return offset;
		if (offset === MD2_PACKET_AT) return Refusal.malformed;
		const length = ipBytes(view, at + offset, bytes - offset);
		if (length === 0) return Refusal.malformed;
		const sa = this.#outbound.get(pathOf(view, at, offset));
		if (sa === undefined) return Refusal.unknownPath;
		const frame = sa.frameBytes(offset, length);
		if (frame - ETHERNET_BYTES > this.#sides.outside.mtuBytes)
			return Refusal.tooBig;
		this.#outside.write(from, at, offset, frame, to, toAt);
		const refusal = sa.seal(from, at, offset, length, to, toAt);
		if (refusal < 0) return refusal;
		this.#out.bytes += length;
		return frame;
	}

	/** Decrypts a frame from outside to `toAt`, which has room for it; as `seal`. */
	open(
		from: Memory,
		at: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		const result = this.#open(from, at, bytes, to, toAt);
		return settle(this.#in, result);
	}

	#open(
		from: Memory,
		at: number,
		bytes: number,
		to: Memory,
		toAt: number,
	): number {
		const { view } = from;
		const offset = packetOffset(view, at, bytes);
		if (offset < 0) {
			if (this.#isHeartbeat(view, at, bytes)) return HEARD;
			return offset === Refusal.notIp ? Refusal.notEsp : offset;
		}
		const outer = at + offset;
		const length = ipBytes(view, outer, bytes - offset);
		if (length === 0) return Refusal.malformed;
		if (offset === MD2_PACKET_AT)
			return this.#verify(from, at, length, to, toAt);
		const header = espOffset(view, outer);
		if (header === 0) return Refusal.notEsp;
		if (isIpv4Fragment(view, outer) || length < header + 4)
			return Refusal.malformed;
		const sa = this.#inbound.get(view.getUint32(outer + header));
		if (sa === undefined) return Refusal.unknownSpi;
		/* Before it is decrypted: a copy must not use its number up. */
		if (sa.path !== pathOf(view, at, offset)) return Refusal.wrongPath;
		const opened = sa.open(
			from,
			outer + header,
			length - header,
			trafficClass(view, outer),
			to,
			toAt + offset,
		);
		if (opened < 0) return opened;
		const frame = offset + opened;
		if (frame - ETHERNET_BYTES > this.#sides.inside.mtuBytes)
			return Refusal.tooBig;
		this.#inside.write(from, at, offset, frame, to, toAt);
		const family = to.view.getUint8(toAt + offset) >> 4;
		setFamily(to.view, toAt, offset, family);
		this.#in.bytes += opened;
		return frame;
	}

	#isHeartbeat(view: DataView, at: number, bytes: number): boolean {
		/* Peers send them from before this node listens. */
		const beat = readHeartbeat(view, at, bytes);
		if (beat) this.heart?.hear(beat.asker, beat.to, this.clock.nowMs);
		return beat !== undefined;
	}

	#verify(
		from: Memory,
		at: number,
		length: number,
		to: Memory,
		toAt: number,
	): number {
		const { view } = from;
		const nsh = at + NSH_AT;
		const sa = this.#verifying.get(view.getUint32(nsh + MD2.keyId));
		if (sa === undefined) return Refusal.unknownSpi;
		if (sa.path !== pathOf(view, at, MD2_PACKET_AT)) return Refusal.wrongPath;
		const frame = MD1_PACKET_AT + length;
		if (frame - ETHERNET_BYTES > this.#sides.inside.mtuBytes)
			return Refusal.tooBig;
		const refusal = sa.open(from, nsh, length, to, toAt + MD1_PACKET_AT);
		if (refusal < 0) return refusal;
		this.#inside.write(from, at, MD1_PACKET_AT, frame, to, toAt);
		restoreMd1(view, nsh, to.view, toAt + NSH_AT);
		this.#in.bytes += length;
		return frame;
	}

	#all(): (Sealer | InboundSa | VerifyingSa)[] {
		return [
			...this.#outbound.values(),
			...this.#inbound.values(),
			...this.#verifying.values(),
		];
	}

	#find(
		direction: SaDirection,
		spi: number,
	): Sealer | InboundSa | VerifyingSa | undefined {
		return direction === "in"
			? (this.#inbound.get(spi) ?? this.#verifying.get(spi))
			: [...this.#outbound.values()].find((sa) => sa.spi === spi);
	}
}

function settle(tally: Tally, result: number): number {
	if (result === HEARD) return 0;
	if (result > 0) {
		tally.packets++;
		return result;
	}
	tally.refusals.count(result);
	return 0;
}
