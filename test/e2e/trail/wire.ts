/**
 * Messages that carry home which functions they met: function k writes the TTL
 * it saw into byte k and the port it came in by into byte 4 + k. The server
 * moves what a request gathered behind what its answer will gather.
 */
export const TRAIL_PORT = 7000;
/** Functions that can be told apart. */
export const PLACES = 4;
/** What one direction gathers. */
export const HALF = 2 * PLACES;
export const MESSAGE = 2 * HALF;
/** Bits of the headers in front of a message; TCP's has timestamps. */
const HEADER_BITS = { udp: 64, tcp: 256 } as const;
const HOST_MAC_LAST_BYTE = "@ll,40,8";

/** An nftables ruleset by which function `place` leaves its marks. */
export function markRules(place: number): string {
	const lines = (["udp", "tcp"] as const).flatMap((proto) =>
		["sport", "dport"].map((port) => {
			const only = proto === "tcp" ? `tcp flags & psh != 0 ` : "";
			const at = HEADER_BITS[proto] + 8 * place;
			return `\t\t${proto} ${port} ${TRAIL_PORT} ${only}@th,${at},8 set ip ttl @th,${at + 8 * PLACES},8 set ${HOST_MAC_LAST_BYTE}\n`;
		}),
	);
	return `table inet marks {\n\tchain forward {\n\t\ttype filter hook forward priority 0;\n${lines.join("")}\t}\n}\n`;
}

export interface Met {
	readonly place: number;
	readonly port: number;
}

/** Functions in the order a message met them: the TTL falls from one to the next. */
export function metBy(half: Uint8Array): Met[] {
	return Array.from({ length: PLACES }, (_, place) => ({
		place,
		ttl: half[place] ?? 0,
		port: half[PLACES + place] ?? 0,
	}))
		.filter(({ ttl }) => ttl > 0)
		.sort((a, b) => b.ttl - a.ttl)
		.map(({ place, port }) => ({ place, port }));
}

/** The answer to a request as it arrived. */
export function answerTo(request: Uint8Array): Buffer {
	return Buffer.concat([Buffer.alloc(HALF), request.subarray(0, HALF)]);
}
