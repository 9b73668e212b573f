/**
 * Whether the encryption functions of other nodes live: each sends all others a
 * frame an interval (NSH OAM without a packet, kind ALIVE of bpf/lib/far.h), and
 * counts as silent once three are missing. Told the time, it reads no clock.
 */
import { formatMac } from "../../wire/address.js";
import { eth, ipv4, nsh, packet, udp, vxlanGpe } from "../../wire/build.js";
import { NshNext } from "../../wire/nsh.js";
import { VXLAN_GPE_PORT } from "../../wire/vxlan.js";
import type { EfSide } from "./core.js";
import { isTunnelOfNsh, MD1_PACKET_AT, NSH_AT } from "./frame.js";

export interface Heartbeats {
	/** This node's number: who its frames are of. */
	readonly nodeId: number;
	/** Nodes to send to, and to hear. */
	readonly peers: readonly number[];
	readonly intervalMs: number;
}

/** Missing in a row before a peer counts as silent. */
export const MISSES = 3;

/** SPI 0, service index 255. */
const PATH = 255;
/** Words of struct far_message (bpf/lib/far.h), as context of MD type 1. */
const AT = { nsh: NSH_AT, path: 4, to: 8, asker: 12, kind: 15 } as const;
const KIND = { mask: 0x0f, alive: 3 };
/** O bit, length 6, MD type 1; the TTL may be any. */
const NSH = { mask: 0xf03fff00, value: 0x20060100 };

/** A node sends and hears heartbeats. */
export class Heart {
	readonly #options: Heartbeats;
	readonly #send: (frame: Uint8Array) => void;
	readonly #changed: (nodeId: number, alive: boolean) => void;
	readonly #frames: readonly Uint8Array[];
	/** When each was heard last, and whether it counts as alive; not yet known. */
	readonly #peers: Map<number, { heardMs: number; alive?: boolean }>;
	#dueMs: number;

	constructor(
		options: Heartbeats,
		side: Pick<EfSide, "dst" | "src">,
		nowMs: number,
		send: (frame: Uint8Array) => void,
		changed: (nodeId: number, alive: boolean) => void,
	) {
		this.#options = options;
		this.#send = send;
		this.#changed = changed;
		const { nodeId, peers } = options;
		this.#frames = peers.map((peer) => heartbeat(side, nodeId, peer));
		this.#peers = new Map(peers.map((peer) => [peer, { heardMs: nowMs }]));
		this.#dueMs = nowMs;
	}

	/** A frame of this node has come; what is of nobody known is left alone. */
	hear(asker: number, to: number, nowMs: number): void {
		const peer = this.#peers.get(asker);
		if (peer === undefined || to !== this.#options.nodeId) return;
		peer.heardMs = nowMs;
		this.#set(asker, peer, true);
	}

	/** Sends where it is time to; returns when it will be again. */
	beat(nowMs: number): number {
		const { intervalMs } = this.#options;
		if (nowMs < this.#dueMs) return this.#dueMs;
		for (const frame of this.#frames) this.#send(frame);
		/* By the clock, whenever this is called; what was missed is not made up. */
		const missed = Math.floor((nowMs - this.#dueMs) / intervalMs);
		this.#dueMs += (missed + 1) * intervalMs;
		return this.#dueMs;
	}

	/** Says who has gone silent; what has come until now must have been heard. */
	judge(nowMs: number): void {
		const patienceMs = MISSES * this.#options.intervalMs;
		for (const [nodeId, peer] of this.#peers)
			if (nowMs - peer.heardMs >= patienceMs) this.#set(nodeId, peer, false);
	}

	#set(nodeId: number, peer: { alive?: boolean }, alive: boolean): void {
		if (peer.alive === alive) return;
		peer.alive = alive;
		this.#changed(nodeId, alive);
	}
}

/** Who a frame is of and for, where it is a heartbeat. */
export function readHeartbeat(
	view: DataView,
	at: number,
	bytes: number,
): { readonly asker: number; readonly to: number } | undefined {
	if (bytes < MD1_PACKET_AT || !isTunnelOfNsh(view, at, bytes))
		return undefined;
	const nsh = at + AT.nsh;
	if (
		(view.getUint32(nsh) & NSH.mask) !== NSH.value ||
		view.getUint32(nsh + AT.path) !== PATH ||
		(view.getUint8(nsh + AT.kind) & KIND.mask) !== KIND.alive
	)
		return undefined;
	return {
		asker: view.getUint16(nsh + AT.asker),
		to: view.getUint32(nsh + AT.to),
	};
}

/** From `nodeId` to `peer`; the outer forwarder gives it its IP addresses. */
export function heartbeat(
	{ dst, src }: Pick<EfSide, "dst" | "src">,
	nodeId: number,
	peer: number,
): Buffer {
	return packet(
		eth({ dst: formatMac(dst), src: formatMac(src) }),
		ipv4({ src: "0.0.0.0", dst: "0.0.0.0", dontFragment: true }),
		udp({ sport: VXLAN_GPE_PORT, checksum: 0 }),
		vxlanGpe(),
		nsh({
			spi: PATH >> 8,
			si: PATH & 0xff,
			oam: true,
			/* Forwarders look at it; nothing follows. */
			nextProtocol: NshNext.ipv4,
			metadata: {
				kind: "context",
				words: [peer, nodeId * 0x10000 + KIND.alive, 0, 0],
			},
		}),
	);
}
