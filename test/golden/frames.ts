/** Frames of the golden rows: by who sends them and where they arrive. */
import {
	type BuildLayer,
	eth,
	icmp,
	ipv4,
	ipv6,
	nsh,
	packet,
	raw,
	tcp,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import type { Nsh } from "../../src/wire/nsh.js";
import type { Vxlan } from "../../src/wire/vxlan.js";
import { functionMac, mac } from "../bpf/world.js";
import { NEIGHBOUR } from "./node.js";

const INTERFACES = [
	...(["ap", "net", "up"] as const),
	...(["p1i", "p1o", "p2i", "p2o", "p3i", "p4i", "p4o"] as const),
	...(["efi", "efo"] as const),
] as const;

/** MACs of the world's interfaces, numbered in the order it makes them. */
export const MAC = Object.fromEntries(
	INTERFACES.map((name, i) => [name, mac(i + 1)]),
) as Record<(typeof INTERFACES)[number], string>;

export type Interface = keyof typeof MAC;

type Parts = readonly (BuildLayer | Uint8Array | string)[];

export const USER = "10.0.1.10";
export const SERVER = "203.0.113.10";
export const USER6 = "2001:db8:1::10";
export const SERVER6 = "2001:db8:203::10";

export const up4 = ipv4({ src: USER, dst: SERVER });
export const down4 = ipv4({ src: SERVER, dst: USER });
export const up6 = ipv6({ src: USER6, dst: SERVER6 });
export const down6 = ipv6({ src: SERVER6, dst: USER6 });

export const syn = (dport: number, mss?: number) =>
	tcp({ sport: 40000, dport, flags: "S", ...(mss !== undefined && { mss }) });
export const ack = (dport: number) => tcp({ sport: 40000, dport, flags: "A" });
export const answer = (sport: number) =>
	tcp({ sport, dport: 40000, flags: "A" });

export const fromUser = (...parts: Parts) =>
	packet(eth({ src: NEIGHBOUR.user, dst: MAC.ap }), ...parts);
export const fromUserVlan = (vlan: number, ...parts: Parts) =>
	packet(eth({ src: NEIGHBOUR.user, dst: MAC.ap, vlan }), ...parts);
export const fromServer = (...parts: Parts) =>
	packet(eth({ src: NEIGHBOUR.server, dst: MAC.net }), ...parts);
/** A routed function sends to its gateway: the port's host end. */
export const fromFunction = (port: Interface, ...parts: Parts) =>
	packet(eth({ src: functionMac(port), dst: MAC[port] }), ...parts);
/** As given to a function's port. */
export const toFunction = (port: Interface, ...parts: Parts) =>
	packet(eth({ src: MAC[port], dst: functionMac(port) }), ...parts);
export const toServer = (...parts: Parts) =>
	packet(eth({ src: MAC.net, dst: NEIGHBOUR.server }), ...parts);
export const toUser = (...parts: Parts) =>
	packet(eth({ src: MAC.ap, dst: NEIGHBOUR.user }), ...parts);

export interface Tunnel {
	readonly src?: string;
	readonly dst?: string;
	readonly nsh?: Partial<Nsh>;
	readonly vxlan?: Partial<Vxlan>;
	readonly udpLength?: number;
	readonly ipVersion?: number;
}

/** As edge2 sends it: VXLAN-GPE with an NSH, around `parts`. */
export const fromEdge2 = (
	spi: number,
	si: number,
	tunnel: Tunnel,
	...parts: Parts
) =>
	packet(
		eth({ src: NEIGHBOUR.router, dst: MAC.up }),
		...inTunnel(spi, si, tunnel, ...parts),
	);
/** As the EF gives it, on one of its sides. */
export const fromEf = (
	side: "efi" | "efo",
	spi: number,
	si: number,
	tunnel: Tunnel,
	...parts: Parts
) =>
	packet(
		eth({ src: functionMac(side), dst: MAC[side] }),
		...inTunnel(spi, si, tunnel, ...parts),
	);
/** On its way out of an underlay interface. */
export const toEdge2 = (
	spi: number,
	si: number,
	tunnel: Tunnel,
	...parts: Parts
) =>
	packet(
		eth({ src: MAC.up, dst: NEIGHBOUR.router }),
		...inTunnel(
			spi,
			si,
			{ src: "192.0.2.1", dst: "192.0.2.5", ...tunnel },
			...parts,
		),
	);

/** VXLAN-GPE with an NSH, as edge2 makes it, around `parts`. */
const inTunnel = (spi: number, si: number, tunnel: Tunnel, ...parts: Parts) =>
	[
		ipv4({
			src: tunnel.src ?? "192.0.2.5",
			dst: tunnel.dst ?? "192.0.2.1",
			version: tunnel.ipVersion ?? 4,
		}),
		udp({
			sport: 50000,
			dport: 4790,
			checksum: 0,
			...(tunnel.udpLength !== undefined && { length: tunnel.udpLength }),
		}),
		vxlanGpe(tunnel.vxlan),
		nsh({ spi, si, ttl: 60, ...tunnel.nsh }),
		...parts,
	] as const;

/** The largest IPv4 packet of `bytes` in all, as TCP data. */
export const sized = (bytes: number, dport: number) =>
	[up4, ack(dport), raw(Buffer.alloc(bytes - 40, 0x61))] as const;

/** An ICMP error about a packet, with as much of it as RFC 792 asks for. */
export const icmpError = (type: number, code: number, ...parts: Parts) =>
	[icmp({ type, code }), packet(...parts).subarray(0, 28)] as const;
