/** Moves frames from a ring through the core to the ring of the other side. */
import type { ReceiveRing } from "../../kernel/rings.js";
import type { Sender } from "../../kernel/sender.js";
import type { EfCore } from "./core.js";
import { Refusal } from "./refusal.js";
import type { SaDirection } from "./sa.js";

/** Frames in a row before others get their turn. */
const TURN_FRAMES = 256;
/** Deals with what has come, up to a turn. */
export function pump(
	core: EfCore,
	direction: SaDirection,
	from: ReceiveRing,
	to: Sender,
): void {
	if (from.ready) core.clock.tick();
	for (let n = 0; n < TURN_FRAMES && from.ready; n++) {
		pass(core, direction, from, to);
		from.release();
		if (to.isFull) send(core, direction, to);
	}
	send(core, direction, to);
}

/** Encrypted or not: what the interface does not take is lost. */
function send(core: EfCore, direction: SaDirection, to: Sender): void {
	for (let lost = to.send(); lost > 0; lost--)
		core.refuse(direction, Refusal.noRoom);
}

function pass(
	core: EfCore,
	direction: SaDirection,
	from: ReceiveRing,
	to: Sender,
): void {
	const refusal = whyNot(direction, from);
	if (refusal !== 0) {
		core.refuse(direction, refusal);
		return;
	}
	const { room } = to;
	const bytes =
		direction === "out"
			? core.seal(from.memory, from.at, from.bytes, to.memory, room)
			: core.open(from.memory, from.at, from.bytes, to.memory, room);
	if (bytes > 0) to.queue(bytes);
}

/** Before a sequence number is spent on it. */
function whyNot(direction: SaDirection, from: ReceiveRing): number {
	/* From outside it is about the tunnel's checksum alone, which goes. */
	if (direction === "out" && from.unfinished) return Refusal.unfinished;
	return from.whole ? 0 : Refusal.tooBig;
}
