/**
 * Which hops between nodes are sealed, by what, and what that takes from the
 * packets' size.
 */
import type { Encryption } from "../model/encryption.js";
import type { NodeDocument } from "../model/intent.js";
import { NSH_MAC } from "../wire/nsh-mac.js";
import type { LinkState, Seal, Transform } from "./state.js";

const IPV4 = 20;
const UDP = 8;
const VXLAN_GPE = 8;
/** MD type 1: base, service path and four context words (RFC 8300 §2.4). */
const NSH = 24;
/** MD type 3: base, service path, encryption path. */
const OUTER_NSH = 12;

/** What goes around a packet on a hop that is not sealed, in bytes. */
export const ENCAPSULATION = IPV4 + UDP + VXLAN_GPE + NSH;

/** RFC 4303 and RFC 4106, tunnel mode: new header, ESP header, IV and ICV. */
const ESP_TUNNEL = IPV4 + 8 + 8 + 16;
/** Pad length and next header; with the packet a multiple of four bytes. */
const ESP_TRAILER = 2;

/**
 * NSH of MD type 2: base and service path, the context in a header of its own,
 * and the MAC (RFC 9145), both padded to words.
 */
const SIGNED_NSH =
	8 + inWords(4 + NSH_MAC.context) + inWords(4 + NSH_MAC.value);

function inWords(bytes: number): number {
	return Math.ceil(bytes / 4) * 4;
}

/** Largest packet that a hop between nodes carries; `mtu` is the underlay's, in bytes. */
export function largestInner(mtu: number, seal: Seal | undefined): number {
	switch (seal) {
		case undefined:
			return mtu - ENCAPSULATION;
		case "mac":
			return mtu - IPV4 - UDP - VXLAN_GPE - SIGNED_NSH;
		case "esp": {
			const room = mtu - ENCAPSULATION - OUTER_NSH - ESP_TUNNEL;
			return room - (room % 4) - ESP_TRAILER;
		}
	}
}

/** How packets are sealed from one node to another; undefined: not at all. */
export function sealOf(
	{ when, integrity }: Encryption,
	from: Pick<NodeDocument, "spec"> | undefined,
	to: Pick<NodeDocument, "spec"> | undefined,
): Seal | undefined {
	const encrypted =
		when === "always" ||
		when === "between-nodes" ||
		(when === "between-domains" && from?.spec.domain !== to?.spec.domain);
	if (encrypted) return "esp";
	return integrity === "off" ? undefined : "mac";
}

/** What the authentication centre needs to know of a link, beside its ends. */
export function termsOf(
	seal: Seal,
	{ algorithm, integrity, rekey }: Encryption,
): Pick<LinkState, "transform" | "lifetime"> {
	const signed: Transform =
		integrity === "packet" ? "hmac-sha-256-packet" : "hmac-sha-256-header";
	return {
		transform: seal === "esp" ? algorithm : signed,
		...(rekey && { lifetime: rekey }),
	};
}

/** Links in the order of their numbers. */
export function byNumber(links: readonly LinkState[]): LinkState[] {
	return links.toSorted((a, b) => a.spi - b.spi || a.si - b.si);
}
