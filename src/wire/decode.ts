/**
 * Walks a packet layer by layer as far as the codecs of this folder reach. Any
 * input gives a result: `stopped` says where and why the walk ended early.
 */
import { asBuffer, type Decoded, DecodeError } from "./bytes.js";
import { decodeEthernet, type Ethernet, EtherType } from "./ethernet.js";
import { decodeGre, type Gre } from "./gre.js";
import { carriesPacket, decodeIcmp, type Icmp } from "./icmp.js";
import { decodeIpv4, IpProto, type Ipv4 } from "./ipv4.js";
import { decodeIpv6, type Ipv6, ipv6Fragment } from "./ipv6.js";
import { decodeNsh, type Nsh, NshNext } from "./nsh.js";
import { decodeTcp, type Tcp } from "./tcp.js";
import { decodeUdp, type Udp } from "./udp.js";
import {
	decodeVxlan,
	VXLAN_GPE_PORT,
	VXLAN_PORT,
	type Vxlan,
} from "./vxlan.js";

/** Header types by the kind of their layer. */
export interface Headers {
	eth: Ethernet;
	ipv4: Ipv4;
	ipv6: Ipv6;
	icmp: Icmp;
	icmpv6: Icmp;
	tcp: Tcp;
	udp: Udp;
	vxlan: Vxlan;
	nsh: Nsh;
	gre: Gre;
}

export type LayerKind = keyof Headers;

/** One header; offsets count from the start of the packet's bytes. */
export type Layer = {
	[K in LayerKind]: {
		readonly kind: K;
		readonly header: Headers[K];
		readonly offset: number;
		/** First byte behind the header. */
		readonly payload: number;
		/** First byte behind the payload, by the lengths of all layers so far. */
		readonly end: number;
	};
}[LayerKind];

export interface DecodedPacket {
	readonly bytes: Buffer;
	/** Outermost first. */
	readonly layers: readonly Layer[];
	/** What is behind the last layer, without link-layer padding. */
	readonly payload: Buffer;
	/** `data`, `fragment` (not the first), `packet` (see embedded), or a protocol no codec here reads. */
	readonly payloadType: string;
	/** A length reaches behind the bytes there are (a cut capture, an ICMP error). */
	readonly truncated: boolean;
	/** The packet inside an ICMP error. */
	readonly embedded?: DecodedPacket;
	/** Why the walk ended early; its bytes are in `payload`. */
	readonly stopped?: DecodeError;
}

/** What the first byte belongs to; `ip`: look at the version. */
export type FirstLayer = LayerKind | "ip";

export function decodePacket(
	bytes: Uint8Array,
	first: FirstLayer = "eth",
): DecodedPacket {
	return walk(asBuffer(bytes), first, true);
}

/** The n-th layer of a kind, outermost first; negative counts from the inside. */
export function layerOf<K extends LayerKind>(
	packet: DecodedPacket,
	kind: K,
	n = 0,
): Headers[K] | undefined {
	const layers = packet.layers.filter((layer) => layer.kind === kind);
	return layers.at(n)?.header as Headers[K] | undefined;
}

/** Far above what anybody nests; bounds the work hostile input can cause. */
const MAX_LAYERS = 64;

/** What follows a header: a layer, or something no codec reads. */
type Next = { readonly kind: LayerKind } | { readonly other: string };

interface Step {
	readonly layer: Layer;
	readonly next: Next;
}

function walk(
	bytes: Buffer,
	first: FirstLayer,
	withEmbedded: boolean,
): DecodedPacket {
	const layers: Layer[] = [];
	let next: Next = { kind: first === "ip" ? ipKind(bytes) : first };
	let truncated = false;
	const result = (payloadType: string, stopped?: DecodeError) => {
		const last = layers.at(-1);
		const payload = bytes.subarray(last?.payload ?? 0, last?.end);
		// An error inside an error is never sent, so one level is enough.
		const embedded =
			payloadType === "packet" && withEmbedded
				? walk(payload, "ip", false)
				: undefined;
		return {
			bytes,
			layers,
			payload,
			payloadType,
			truncated,
			...(embedded && { embedded }),
			...(stopped && { stopped }),
		};
	};
	while ("kind" in next) {
		const { kind } = next;
		const from = layers.at(-1);
		const offset = from?.payload ?? 0;
		try {
			if (layers.length === MAX_LAYERS) {
				throw new DecodeError(kind, "is nested too deep", offset);
			}
			const step = decodeLayer(kind, bytes.subarray(0, from?.end), offset);
			const end = Math.min(step.layer.end, from?.end ?? bytes.length);
			truncated ||= end < step.layer.end;
			layers.push({ ...step.layer, end });
			next = step.next;
		} catch (error) {
			if (error instanceof DecodeError) return result(kind, error);
			throw error;
		}
	}
	return result(next.other);
}

function ipKind(bytes: Buffer): "ipv4" | "ipv6" {
	return (bytes[0] ?? 0) >> 4 === 6 ? "ipv6" : "ipv4";
}

/** One layer; its `end` is what the header claims, or that of the bytes. */
function decodeLayer(kind: LayerKind, bytes: Buffer, offset: number): Step {
	const place = ({ next }: Decoded<unknown>, length?: number) => ({
		offset,
		payload: next,
		end: length === undefined ? bytes.length : offset + length,
	});
	switch (kind) {
		case "eth": {
			const decoded = decodeEthernet(bytes, offset);
			const { header } = decoded;
			const layer: Layer = { kind, header, ...place(decoded) };
			return { layer, next: byEtherType(header.etherType) };
		}
		case "ipv4": {
			const decoded = decodeIpv4(bytes, offset);
			const { header } = decoded;
			const layer: Layer = {
				kind,
				header,
				...place(decoded, header.totalLength),
			};
			const later = header.fragmentOffset > 0;
			return { layer, next: later ? FRAGMENT : byIpProto(header.proto) };
		}
		case "ipv6": {
			const decoded = decodeIpv6(bytes, offset);
			const { header } = decoded;
			const length = 40 + header.payloadLength;
			const layer: Layer = { kind, header, ...place(decoded, length) };
			const later = (ipv6Fragment(header)?.offset ?? 0) > 0;
			return { layer, next: later ? FRAGMENT : byIpProto(header.proto) };
		}
		case "icmp":
		case "icmpv6": {
			const decoded = decodeIcmp(bytes, offset);
			const { header } = decoded;
			const layer: Layer = { kind, header, ...place(decoded) };
			const error = carriesPacket(kind === "icmp" ? 4 : 6, header);
			return { layer, next: error ? { other: "packet" } : DATA };
		}
		case "tcp": {
			const decoded = decodeTcp(bytes, offset);
			const layer: Layer = { kind, header: decoded.header, ...place(decoded) };
			return { layer, next: DATA };
		}
		case "udp": {
			const decoded = decodeUdp(bytes, offset);
			const { header } = decoded;
			const layer: Layer = { kind, header, ...place(decoded, header.length) };
			const vxlan =
				header.dport === VXLAN_GPE_PORT || header.dport === VXLAN_PORT;
			return { layer, next: vxlan ? { kind: "vxlan" } : DATA };
		}
		case "vxlan": {
			const decoded = decodeVxlan(bytes, offset);
			const { header } = decoded;
			const layer: Layer = { kind, header, ...place(decoded) };
			const next: Next = header.nextProtocolBit
				? byNextProtocol(header.nextProtocol)
				: { kind: "eth" };
			return { layer, next };
		}
		case "nsh": {
			const decoded = decodeNsh(bytes, offset);
			const { header } = decoded;
			const layer: Layer = { kind, header, ...place(decoded) };
			return { layer, next: byNextProtocol(header.nextProtocol) };
		}
		case "gre": {
			const decoded = decodeGre(bytes, offset);
			const { header } = decoded;
			const layer: Layer = { kind, header, ...place(decoded) };
			return { layer, next: byEtherType(header.protocol) };
		}
	}
}

const DATA: Next = { other: "data" };
const FRAGMENT: Next = { other: "fragment" };

const ETHER_TYPES = new Map<number, LayerKind>([
	[EtherType.ipv4, "ipv4"],
	[EtherType.ipv6, "ipv6"],
	[EtherType.nsh, "nsh"],
	[EtherType.ethernet, "eth"],
]);

const IP_PROTOS = new Map<number, LayerKind>([
	[IpProto.icmp, "icmp"],
	[IpProto.ipv4, "ipv4"],
	[IpProto.tcp, "tcp"],
	[IpProto.udp, "udp"],
	[IpProto.ipv6, "ipv6"],
	[IpProto.gre, "gre"],
	[IpProto.icmpv6, "icmpv6"],
	[IpProto.ethernet, "eth"],
]);

const NEXT_PROTOCOLS = new Map<number, LayerKind>([
	[NshNext.ipv4, "ipv4"],
	[NshNext.ipv6, "ipv6"],
	[NshNext.ethernet, "eth"],
	[NshNext.nsh, "nsh"],
]);

function byEtherType(etherType: number): Next {
	const kind = ETHER_TYPES.get(etherType);
	if (kind) return { kind };
	if (etherType === EtherType.arp) return { other: "arp" };
	// Up to 1500 the field is a length (IEEE 802.3 §3.2.6).
	return {
		other: etherType <= 1500 ? "llc" : `ethertype 0x${etherType.toString(16)}`,
	};
}

function byIpProto(proto: number): Next {
	const kind = IP_PROTOS.get(proto);
	return kind ? { kind } : { other: `ip protocol ${proto}` };
}

function byNextProtocol(nextProtocol: number): Next {
	const kind = NEXT_PROTOCOLS.get(nextProtocol);
	return kind ? { kind } : { other: `next protocol ${nextProtocol}` };
}
