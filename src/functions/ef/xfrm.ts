/**
 * The engine for kernels with ESP (XFRM): the kernel encrypts, counts and ends SAs
 * by itself, also while this process is dead. Its namespace is for it alone.
 */

import { KernelError } from "../../kernel/error.js";
import type { BpfMap } from "../../kernel/map.js";
import type { BpfObject } from "../../kernel/object.js";
import { Xfrm, type XfrmExpiry } from "../../kernel/xfrm.js";
import {
	MAPS,
	XfrmDirection,
	type XfrmTunnel,
} from "../../kernel/xfrm-layout.gen.js";
import { addressBytes, familyOf } from "../../wire/address.js";
import { duplicate } from "./core.js";
import type {
	EfEngine,
	EfTraffic,
	EfUsage,
	HeartbeatOptions,
} from "./engine.js";
import { RefusalCounters, type Refusals } from "./refusal.js";
import {
	requireSa,
	type SaDirection,
	type SaEvent,
	type SaSpec,
	type SaUsage,
} from "./sa.js";
import { WINDOW_PACKETS } from "./window.js";
import { XfrmHeart } from "./xfrm-heart.js";
import {
	closeNetwork,
	openNetwork,
	TUNNEL_ID,
	type XfrmSides,
} from "./xfrm-network.js";
import { directionOf, endsOf, HeldSa } from "./xfrm-sa.js";

export interface XfrmOptions extends XfrmSides {
	/** An SA runs out. */
	readonly onEvent: (event: SaEvent) => void;
}

const KEY_BYTES = [16, 32];

export class XfrmEngine implements EfEngine {
	readonly kind = "xfrm";
	readonly #options: XfrmOptions;
	readonly #xfrm: Xfrm;
	readonly #object: BpfObject;
	readonly #out: BpfMap<number, XfrmTunnel>;
	readonly #in: BpfMap<number, number>;
	readonly #held = new Map<string, HeldSa>();
	/** The `out` SA of each path. */
	readonly #active = new Map<number, HeldSa>();
	/** Of SAs that are gone. */
	readonly #gone = { tooOld: 0, badIcv: 0 };
	#heart: XfrmHeart | undefined;
	/** Statistics of the namespace when we came. */
	readonly #before: ReadonlyMap<string, number>;

	private constructor(options: XfrmOptions, object: BpfObject) {
		this.#options = options;
		this.#object = object;
		this.#out = object.map(MAPS.xfrmOut);
		this.#in = object.map(MAPS.xfrmIn);
		this.#xfrm = new Xfrm(options.netns, (expiry) => this.#ended(expiry));
		this.#before = this.#xfrm.statistics();
	}

	/**
	 * Prepares the namespace and removes all SAs that are in it: they are of a
	 * process that died, and nobody knows how far their numbers got.
	 */
	static async open(options: XfrmOptions): Promise<XfrmEngine> {
		const xfrm = new Xfrm(options.netns, () => {});
		try {
			xfrm.flush();
			xfrm.blockByDefault();
		} finally {
			xfrm.close();
		}
		return new XfrmEngine(options, await openNetwork(options));
	}

	async install(spec: SaSpec): Promise<void> {
		const secret = Buffer.concat([spec.key, spec.salt]);
		const keyBytes = spec.key.length;
		spec.key.fill(0);
		spec.salt.fill(0);
		try {
			requireEsp(spec, keyBytes);
			if (this.#held.has(nameOf(spec))) throw duplicate(spec.spi);
			this.#install(spec, secret);
		} finally {
			secret.fill(0);
		}
	}

	async remove(
		direction: SaDirection,
		spi: number,
	): Promise<SaUsage | undefined> {
		const sa = this.#held.get(nameOf({ direction, spi }));
		if (sa === undefined) return undefined;
		if (direction === "in") this.#in.delete(spi);
		else if (this.#active.get(sa.path) === sa) {
			this.#out.delete(sa.path);
			this.#xfrm.deletePolicy(sa.path, TUNNEL_ID);
			this.#active.delete(sa.path);
		}
		return this.#forget(sa);
	}

	async usage(): Promise<EfUsage> {
		this.#xfrm.readEvents();
		for (const sa of this.#held.values()) this.#update(sa);
		return {
			out: this.#traffic("out"),
			in: this.#traffic("in"),
			sas: [...this.#held.values()].map((sa) => sa.usage),
		};
	}

	/** As that of UserspaceEngine. */
	async heartbeat(options: HeartbeatOptions): Promise<void> {
		this.#heart?.close();
		this.#heart = new XfrmHeart(this.#options, this.#object, options);
	}

	async close(): Promise<void> {
		this.#heart?.close();
		this.#heart = undefined;
		for (const sa of this.#held.values()) sa.forget();
		this.#held.clear();
		this.#active.clear();
		try {
			this.#xfrm.flush();
			await closeNetwork(this.#options);
		} finally {
			this.#xfrm.close();
			this.#object.close();
		}
	}

	#install(spec: SaSpec, secret: Buffer): void {
		const { direction, spi, path, extended } = spec;
		const sa = new HeldSa(spec, this.#options.onEvent, (overdue) => {
			this.#update(overdue);
			this.#xfrm.deleteState(overdue.key);
			overdue.end("time");
		});
		try {
			this.#xfrm.addState({
				ends: endsOf(direction),
				spi,
				secret,
				extended,
				windowPackets: WINDOW_PACKETS,
				lastSequence: spec.lastSequence ?? 0n,
				outgoing: direction === "out",
				mark: path,
				...(direction === "out" && { interfaceId: TUNNEL_ID }),
				limits: sa.limits,
			});
			if (direction === "in") this.#in.set(spi, path);
			else this.#activate(sa, spec);
		} catch (error) {
			sa.forget();
			this.#xfrm.deleteState(sa.key);
			throw error;
		}
		this.#held.set(nameOf(sa), sa);
	}

	/** Its path's packets go through it from now on; its predecessor is gone. */
	#activate(sa: HeldSa, spec: SaSpec): void {
		const before = this.#active.get(sa.path);
		this.#xfrm.setPolicy(endsOf("out"), sa.key, TUNNEL_ID);
		this.#out.set(sa.path, tunnelOf(spec));
		this.#active.set(sa.path, sa);
		if (before !== undefined) this.#forget(before);
	}

	#forget(sa: HeldSa): SaUsage {
		this.#update(sa);
		sa.forget();
		this.#xfrm.deleteState(sa.key);
		this.#held.delete(nameOf(sa));
		this.#gone.tooOld += sa.tooOld;
		this.#gone.badIcv += sa.badIcv;
		return sa.usage;
	}

	#update(sa: HeldSa): void {
		if (sa.expired) return;
		const state = this.#xfrm.getState(sa.key);
		if (state !== undefined) sa.update(state);
	}

	#ended({ hard, state }: XfrmExpiry): void {
		const direction = directionOf(state.ends);
		const sa = this.#held.get(nameOf({ direction, spi: state.spi }));
		if (sa === undefined) return;
		sa.update(state);
		if (hard) sa.end(sa.reached("hard"));
		else sa.warn(sa.reached("soft"));
	}

	/** What the programs count, and what the kernel refuses behind them. */
	#traffic(direction: SaDirection): EfTraffic {
		const index = direction === "out" ? XfrmDirection.OUT : XfrmDirection.IN;
		const counted = this.#object.map(MAPS.xfrmTraffic).get(index);
		if (counted === undefined)
			throw new KernelError("read counters", `there are none of ${direction}`);
		const { packets, bytes, ...refused } = counted;
		const behind = direction === "out" ? this.#outBehind() : this.#inBehind();
		const all: Record<string, number> = { ...new RefusalCounters().read() };
		for (const [name, count] of [
			...Object.entries(refused),
			...Object.entries(behind),
		])
			all[name] = (all[name] ?? 0) + count;
		return { packets, bytes, refused: all as unknown as Refusals };
	}

	#outBehind(): Partial<Refusals> {
		return {
			expired: this.#since(
				"XfrmOutStateExpired",
				"XfrmOutStateInvalid",
				"XfrmOutStateSeqError",
				"XfrmOutNoStates",
			),
			noRoom: this.#since(
				"XfrmOutError",
				"XfrmOutBundleGenError",
				"XfrmOutBundleCheckError",
				"XfrmOutStateProtoError",
				"XfrmFwdHdrError",
			),
		};
	}

	/** The kernel tells no dummy from what is malformed, and looks at no padding. */
	#inBehind(): Partial<Refusals> {
		let { tooOld, badIcv } = this.#gone;
		for (const sa of this.#held.values()) {
			tooOld += sa.tooOld;
			badIcv += sa.badIcv;
		}
		return {
			tooOld,
			badIcv,
			replayed: this.#since("XfrmInStateSeqError") - tooOld,
			malformed:
				this.#since(
					"XfrmInStateProtoError",
					"XfrmInStateModeError",
					"XfrmInHdrError",
				) - badIcv,
			expired: this.#since(
				"XfrmInStateExpired",
				"XfrmInStateInvalid",
				"XfrmInNoStates",
			),
			noRoom: this.#since("XfrmInError", "XfrmInBufferError"),
		};
	}

	#since(...names: readonly string[]): number {
		const now = this.#xfrm.statistics();
		return names.reduce(
			(sum, name) => sum + (now.get(name) ?? 0) - (this.#before.get(name) ?? 0),
			0,
		);
	}
}

function requireEsp(spec: SaSpec, keyBytes: number): void {
	const fail = (cause: string, fix: string): never => {
		throw new KernelError(`install SA ${spec.spi}`, cause, fix);
	};
	if (spec.transform !== "esp")
		fail("the kernel signs no NSH", "use the userspace engine on this node");
	requireSa(spec);
	if (!KEY_BYTES.includes(keyBytes))
		fail(`its key has ${keyBytes} bytes`, "AES-GCM takes 16 or 32 here");
	const { src, dst } = spec.tunnel;
	if (familyOf(src) !== familyOf(dst))
		fail(
			"its tunnel has two families",
			"use two addresses of IPv4, or two of IPv6",
		);
}

function tunnelOf({ tunnel }: Pick<SaSpec, "tunnel">): XfrmTunnel {
	const address = (text: string): Uint8Array => {
		const bytes = new Uint8Array(16);
		bytes.set(addressBytes(text));
		return bytes;
	};
	return {
		src: address(tunnel.src),
		dst: address(tunnel.dst),
		family: familyOf(tunnel.src),
	};
}

function nameOf({ direction, spi }: Pick<SaSpec, "direction" | "spi">): string {
	return `${direction} ${spi}`;
}
