/** Frames as forwarders give them to an EF, and the secrets of its SAs. */
import { randomBytes } from "node:crypto";
import type { SaSpec } from "../../src/functions/ef/sa.js";
import {
	type BuildLayer,
	eth,
	ipv4,
	nsh,
	packet,
	raw,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import { NSH_MAC } from "../../src/wire/nsh-mac.js";

export const USER = [
	ipv4({ src: "10.0.0.1", dst: "10.0.0.2" }),
	udp({ dport: 9 }),
	raw(randomBytes(99)),
] as const;

export const CONTEXT = [1, 2, 0xffffffff, 4];

/** In VXLAN-GPE behind an NSH of the path, as `SPI << 8 | SI`. */
export function tunnelled(
	path: number,
	inner: readonly BuildLayer[] = USER,
	oam = false,
): Buffer {
	return packet(
		eth({ dst: "02:00:00:00:00:01", src: "02:00:00:00:00:02" }),
		ipv4({ src: "192.0.2.1", dst: "192.0.2.2", dontFragment: true, id: 7 }),
		udp({ sport: 50_000, checksum: 0 }),
		vxlanGpe(),
		nsh({
			spi: path >> 8,
			si: path & 0xff,
			oam,
			metadata: { kind: "context", words: CONTEXT },
		}),
		...inner,
	);
}

/** Of an SA that signs; the engine takes its own copy of the key. */
export function signing(
	direction: SaSpec["direction"],
	transform: "mac-header" | "mac-packet",
	path: number,
	key: Uint8Array,
	more: Pick<SaSpec, "lastSequence" | "hard" | "soft"> = {},
): SaSpec {
	return {
		direction,
		transform,
		spi: 5000,
		key: new Uint8Array(key),
		salt: new Uint8Array(0),
		tunnel: { src: "192.0.2.1", dst: "192.0.2.2" },
		extended: true,
		path,
		...more,
	};
}

export function macKey(): Buffer {
	return randomBytes(NSH_MAC.key);
}
