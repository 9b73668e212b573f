/**
 * Shows TCP connections to the instance that takes them over. A firewall that
 * knows connections takes a server's packet for something new and drops it, and
 * in a download the client has nothing to say that would begin one: both would
 * wait for ever. So it sees a keep-alive of the client's (RFC 9293 section 3.8.4),
 * which it judges by its rules. Should that go on to the server, it is answered
 * like any other, and changes nothing.
 */
import type { PortAttachments } from "../functions/runtime.js";
import { Frame, FrameSocket } from "../kernel/frames.js";
import {
	type FlowKey,
	PortSide,
	type State,
	Verdict,
} from "../kernel/layout.gen.js";
import { eth, ipv4, ipv6, packet, tcp } from "../wire/build.js";
import { endpointsOf, pick } from "./pick.js";
import type { Table } from "./tables/sync.js";

/** Paths that pass another port than before. */
export interface Move {
	readonly from: number;
	readonly to: PortAttachments;
	readonly spis: ReadonlySet<number>;
}

const TCP = 6;
/** Connections that were silent for longer may wait for their next packet. */
const RECENT_NS = 300e9;
/** So many are held at a time before they are sent. */
const BATCH = 256;
const MOST = 1_000_000;
const TTL = 8;

/**
 * Sends a keep-alive of each connection that the instance before has let pass.
 * `netns`: the node's. Returns how many there were.
 */
export async function introduce(
	states: Pick<Table<FlowKey, State>, "entries">,
	moves: readonly Move[],
	netns: string | undefined,
): Promise<number> {
	const byScope = new Map(
		moves.map((move) => [scopeOf(move.from, PortSide.OUTSIDE), move]),
	);
	const sinceNs = Number(process.hrtime.bigint()) - RECENT_NS;
	const socket = new FrameSocket(netns);
	let batch: Frame[] = [];
	const flush = () => {
		socket.send(batch);
		batch = [];
	};
	try {
		const shown = await pick(
			states.entries(),
			(key, state) => {
				const move = byScope.get(key.scope);
				if (!move?.spis.has(state.spi) || !("inside" in move.to))
					return undefined;
				const isRunning =
					key.t.proto === TCP &&
					state.returned > 0 &&
					state.nextSequence !== 0 &&
					state.verdict !== Verdict.CLOSING &&
					state.lastSeenNs > sinceNs;
				if (!isRunning) return undefined;
				const { ifindex } = move.to.inside;
				batch.push(new Frame(ifindex, keepAlive(key, state, move.to.inside)));
				if (batch.length === BATCH) flush();
				return true;
			},
			MOST,
		);
		flush();
		return shown.length;
	} finally {
		socket.close();
	}
}

/** PORT_SCOPE in bpf/maps.h. */
function scopeOf(port: number, side: number): number {
	return 0x8000_0000 + 2 * port + side;
}

/** One byte before the next: nobody takes it for data, nor for an acknowledgement. */
function keepAlive(
	{ t }: FlowKey,
	{ nextSequence }: State,
	to: { readonly hostMac: string; readonly functionMac: string },
): Buffer {
	const { src, dst, sport, dport } = endpointsOf(t);
	return packet(
		eth({ src: to.hostMac, dst: to.functionMac }),
		src.includes(":")
			? ipv6({ src, dst, hopLimit: TTL })
			: ipv4({ src, dst, ttl: TTL }),
		tcp({ sport, dport, seq: (nextSequence - 1) >>> 0, flags: "A" }),
	);
}
