/** Many UDP flows from one frame: only their ports differ, nothing else changes. */

/** Ethernet 14, IPv4 20. */
const UDP = 34;
const FIRST_SPORT = 1024;
const SPORTS = 65_536 - FIRST_SPORT;
export const FIRST_DPORT = 1000;
export const LAST_DPORT = 1999;

/** Writes the flow's ports into the frame, whose UDP has no checksum, and returns it. */
export function ofFlow(frame: Buffer, flow: number): Buffer {
	frame.writeUInt16BE(FIRST_SPORT + (flow % SPORTS), UDP);
	frame.writeUInt16BE(FIRST_DPORT + Math.floor(flow / SPORTS), UDP + 2);
	return frame;
}
