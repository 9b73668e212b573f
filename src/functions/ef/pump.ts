/** Moves frames from a ring through the core to the ring of the other side. */
import type { ReceiveRing, SendRing } from "../../kernel/rings.js";
import type { EfCore } from "./core.js";
import { Refusal } from "./refusal.js";
import type { SaDirection } from "./sa.js";

/** Frames in a row before others get their turn. */
const TURN_FRAMES = 256;
/** Frames sent with one system call. */
const SEND_FRAMES = 64;

/** Deals with what has come, up to a turn. */
export function pump(
	core: EfCore,
	direction: SaDirection,
	from: ReceiveRing,
	to: SendRing,
): void {
	if (from.ready) core.clock.tick();
	for (let n = 0; n < TURN_FRAMES && from.ready; n++) {
		pass(core, direction, from, to);
		from.release();
		if (to.queued >= SEND_FRAMES) to.send();
	}
	if (to.queued > 0) to.send();
}

function pass(
	core: EfCore,
	direction: SaDirection,
	from: ReceiveRing,
	to: SendRing,
): void {
	const room = roomIn(to);
	const refusal = whyNot(from, room);
	if (refusal !== 0 || room === undefined) {
		core.refuse(direction, refusal);
		return;
	}
	const bytes =
		direction === "out"
			? core.seal(from.memory, from.at, from.bytes, to.memory, room)
			: core.open(from.memory, from.at, from.bytes, to.memory, room);
	if (bytes > 0) to.queue(bytes);
}

/** What was sent a moment ago may have left meanwhile. */
function roomIn(to: SendRing): number | undefined {
	const { room } = to;
	if (room !== undefined) return room;
	to.send();
	return to.room;
}

/** Before a sequence number is spent on it. */
function whyNot(from: ReceiveRing, room: number | undefined): number {
	if (from.unfinished) return Refusal.unfinished;
	if (!from.whole) return Refusal.tooBig;
	return room === undefined ? Refusal.noRoom : 0;
}
