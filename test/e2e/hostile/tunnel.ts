/**
 * What edge2 could send to edge1 in their tunnel, and every fault that such a
 * packet can have by itself. Data only; hostile.test.ts sends it.
 */
import { mobileEdgeAddresses as at } from "../../../lab/topologies/mobile-edge.js";
import { ipv4, nsh, packet, udp, vxlanGpe } from "../../../src/wire/build.js";
import type { Nsh } from "../../../src/wire/nsh.js";
import type { Vxlan } from "../../../src/wire/vxlan.js";
import { BLUE_PORT, FORGED, PORT } from "./two-tenants.js";

/** A path and a place on it: what an NSH header leads to. */
export interface Place {
	readonly spi: number;
	readonly si: number;
}

/** An answer of the server to blue, as edge2 sends it to edge1. */
export const answer = (text: string) =>
	packet(
		ipv4({ src: at.server, dst: at.user }),
		udp({ sport: PORT, dport: BLUE_PORT }),
		text,
	);

/** What differs from a packet without fault. */
export interface Fields {
	/** null: no NSH, the packet follows VXLAN-GPE at once. */
	readonly nsh?: Partial<Nsh> | null;
	readonly vxlan?: Partial<Vxlan>;
	/** Bytes after which it is cut. */
	readonly length?: number;
}

/** Payload of the tunnel's UDP. */
export function encapsulate(
	place: Place,
	fields: Fields = {},
	inner: Uint8Array = answer(FORGED),
): Uint8Array {
	const layers = [vxlanGpe(fields.vxlan)];
	if (fields.nsh !== null)
		layers.push(nsh({ ...place, ttl: 60, nextProtocol: 1, ...fields.nsh }));
	return packet(...layers, inner).subarray(0, fields.length);
}

export interface Fault extends Fields {
	readonly what: string;
	readonly reason: string;
}

export const faults: readonly Fault[] = [
	{ what: "TTL 1", reason: "ttl_zero", nsh: { ttl: 1 } },
	{ what: "SI 0", reason: "si_zero", nsh: { si: 0 } },
	{ what: "SI 1, behind the path's end", reason: "no_hop", nsh: { si: 1 } },
	{ what: "an SPI this node lacks", reason: "no_path", nsh: { spi: 65_000 } },
	{ what: "the largest SPI", reason: "no_path", nsh: { spi: 0xff_ffff } },
	{ what: "NSH version 1", reason: "nsh_version", nsh: { version: 1 } },
	{ what: "O bit", reason: "nsh_oam", nsh: { oam: true } },
	{ what: "MD type 3", reason: "nsh_md_type", nsh: { mdType: 3 } },
	{
		what: "NSH that carries MPLS",
		reason: "next_protocol",
		nsh: { nextProtocol: 5 },
	},
	{
		what: "VXLAN-GPE without I",
		reason: "vxlan_flags",
		vxlan: { instance: false },
	},
	{ what: "VXLAN-GPE version 1", reason: "vxlan_flags", vxlan: { version: 1 } },
	{
		what: "VXLAN-GPE that carries IPv4",
		reason: "next_protocol",
		vxlan: { nextProtocol: 1 },
		nsh: null,
	},
	{ what: "VXLAN-GPE cut in its NSH", reason: "truncated", length: 8 + 4 },
	{ what: "NSH cut in its metadata", reason: "truncated", length: 8 + 16 },
	{ what: "IPv4 cut in its header", reason: "truncated", length: 8 + 24 + 12 },
	{
		what: "IPv4 shorter than it says",
		reason: "truncated",
		length: 8 + 24 + 30,
	},
];
