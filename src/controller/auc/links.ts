/** Links as the planner names them, as the authentication centre serves them. */
import type { Link } from "../../keys/sa.js";
import { linksOf, type NamedLink } from "../../plan/links.js";
import type { States } from "../../plan/transition.js";

/** Where a policy says nothing: an SA is used for an hour at most, … */
const HARD_MS = 3_600_000;
/** … well within what AES-GCM may encrypt under one key. */
const HARD_BYTES = 2 ** 46;
const HARD_PACKETS = 2 ** 40;
/** Packets of one SA that may overtake each other (RFC 4303 section 3.4.3). */
const WINDOW_PACKETS = 1024;

export function keyLinks(states: States): Link[] {
	return linksOf(states.values()).map(keyLink);
}

function keyLink({ transform, lifetime, ...link }: NamedLink): Link {
	const { seconds, bytes, packets } = lifetime ?? {};
	return {
		...link,
		algorithm: transform,
		extSeqNum: true,
		antiReplayWindowSize: WINDOW_PACKETS,
		hard: {
			timeMs: seconds === undefined ? HARD_MS : seconds * 1000,
			bytes: bytes ?? HARD_BYTES,
			packets: packets ?? HARD_PACKETS,
		},
	};
}
