/**
 * Builds packets from layers: `packet(eth(), ipv4({src, dst}), udp({dport}), "hi")`.
 * Lengths, checksums and protocol numbers are filled in unless they are given,
 * so that a malformed packet is built by giving the wrong value.
 */
import { checksum, pseudoHeader } from "./checksum.js";
import {
	type Ethernet,
	EtherType,
	encodeEthernet,
	type VlanTag,
} from "./ethernet.js";
import { encodeGre, type Gre } from "./gre.js";
import { encodeIcmp, type Icmp, Icmpv6Type } from "./icmp.js";
import { encodeIpv4, IpProto, type Ipv4, ipv4Checksum } from "./ipv4.js";
import { encodeIpv6, type Ipv6 } from "./ipv6.js";
import { encodeMetadata, encodeNsh, type Nsh, NshNext } from "./nsh.js";
import {
	encodeTcp,
	encodeTcpOptions,
	mssOption,
	type Tcp,
	TcpFlag,
} from "./tcp.js";
import { encodeUdp, type Udp } from "./udp.js";
import { encodeVxlan, VXLAN_GPE_PORT, type Vxlan, VxlanNext } from "./vxlan.js";

/** One header to build. */
export interface BuildLayer {
	/** How the layer outside names this one, by the outer layer's number space. */
	readonly etherType?: number;
	readonly ipProto?: number;
	/** NSH's and VXLAN-GPE's number space. */
	readonly nextProtocol?: number;
	/** Destination port by which UDP names this layer. */
	readonly udpPort?: number;
	/** Addresses for the pseudo-header of the layer inside. */
	readonly addresses?: { readonly src: string; readonly dst: string };
	/** The header for what is inside; `payload` is already complete. */
	header(
		payload: Buffer,
		inside: BuildLayer | undefined,
		outside: BuildLayer | undefined,
	): Buffer;
}

type Part = BuildLayer | Uint8Array | string;

/** Layers outermost first, then the payload (bytes, or text as UTF-8). */
export function packet(...parts: readonly Part[]): Buffer {
	const layers = parts.map((part) =>
		typeof part === "string" || part instanceof Uint8Array ? raw(part) : part,
	);
	return layers.reduceRight<Buffer>((payload, layer, i) => {
		const head = layer.header(payload, layers[i + 1], layers[i - 1]);
		return Buffer.concat([head, payload]);
	}, Buffer.alloc(0));
}

/** Bytes as they are, for payloads and for headers no codec here would write. */
export function raw(bytes: Uint8Array | string): BuildLayer {
	const copy =
		typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes);
	return { header: () => copy };
}

/** `vlan` is short for one C-tag; MAC addresses default to local ones. */
export function eth(
	fields: Partial<Ethernet> & { readonly vlan?: number } = {},
): BuildLayer {
	const { vlan, ...rest } = fields;
	const tag: VlanTag[] =
		vlan === undefined
			? []
			: [{ tpid: EtherType.vlan, priority: 0, dropEligible: false, id: vlan }];
	return {
		etherType: EtherType.ethernet,
		ipProto: IpProto.ethernet,
		nextProtocol: NshNext.ethernet,
		header: (_payload, inside) =>
			encodeEthernet({
				dst: "02:00:00:00:00:02",
				src: "02:00:00:00:00:01",
				vlans: tag,
				etherType: inside?.etherType ?? 0,
				...rest,
			}),
	};
}

export function ipv4(
	fields: Partial<Ipv4> & Pick<Ipv4, "src" | "dst">,
): BuildLayer {
	return {
		etherType: EtherType.ipv4,
		ipProto: IpProto.ipv4,
		nextProtocol: NshNext.ipv4,
		addresses: { src: fields.src, dst: fields.dst },
		header: (payload, inside) => {
			const options = fields.options ?? Buffer.alloc(0);
			const header: Ipv4 = {
				version: 4,
				ihl: 5 + options.length / 4,
				dscp: 0,
				ecn: 0,
				totalLength: 20 + options.length + payload.length,
				id: 0,
				reserved: false,
				dontFragment: false,
				moreFragments: false,
				fragmentOffset: 0,
				ttl: 64,
				proto: inside?.ipProto ?? IpProto.noNext,
				checksum: 0,
				options,
				...fields,
			};
			if (fields.checksum !== undefined) return encodeIpv4(header);
			return encodeIpv4({ ...header, checksum: ipv4Checksum(header) });
		},
	};
}

export function ipv6(
	fields: Partial<Ipv6> & Pick<Ipv6, "src" | "dst">,
): BuildLayer {
	return {
		etherType: EtherType.ipv6,
		ipProto: IpProto.ipv6,
		nextProtocol: NshNext.ipv6,
		addresses: { src: fields.src, dst: fields.dst },
		header: (payload, inside) => {
			const header: Ipv6 = {
				version: 6,
				dscp: 0,
				ecn: 0,
				flowLabel: 0,
				payloadLength: 0,
				hopLimit: 64,
				extensions: [],
				proto: inside?.ipProto ?? IpProto.noNext,
				...fields,
			};
			if (fields.payloadLength !== undefined) return encodeIpv6(header);
			const length = encodeIpv6(header).length - 40 + payload.length;
			return encodeIpv6({ ...header, payloadLength: length });
		},
	};
}

/** `checksum: 0` sends none; the port in front of VXLAN-GPE is 4790. */
export function udp(fields: Partial<Udp> = {}): BuildLayer {
	return {
		ipProto: IpProto.udp,
		header: (payload, inside, outside) => {
			const header: Udp = {
				sport: 0,
				dport: inside?.udpPort ?? 0,
				length: 8 + payload.length,
				checksum: 0,
				...fields,
			};
			if (fields.checksum !== undefined) return encodeUdp(header);
			const sum = upperChecksum(
				IpProto.udp,
				outside,
				encodeUdp(header),
				payload,
			);
			// 0 would say that there is none (RFC 768).
			return encodeUdp({ ...header, checksum: sum === 0 ? 0xffff : sum });
		},
	};
}

const FLAG_LETTERS: Readonly<Record<string, number>> = {
	F: TcpFlag.fin,
	S: TcpFlag.syn,
	R: TcpFlag.rst,
	P: TcpFlag.psh,
	A: TcpFlag.ack,
	U: TcpFlag.urg,
	E: TcpFlag.ece,
	W: TcpFlag.cwr,
};

/** Flags as bits or as letters (`"SA"`); `mss` is short for that option alone. */
export function tcp(
	fields: Partial<Omit<Tcp, "flags">> & {
		readonly flags?: number | string;
		readonly mss?: number;
	} = {},
): BuildLayer {
	const { mss, flags = "A", ...rest } = fields;
	const bits = typeof flags === "number" ? flags : flagBits(flags);
	return {
		ipProto: IpProto.tcp,
		header: (payload, _inside, outside) => {
			const options =
				rest.options ??
				encodeTcpOptions(mss === undefined ? [] : [mssOption(mss)]);
			const header: Tcp = {
				sport: 0,
				dport: 0,
				seq: 0,
				ack: 0,
				dataOffset: 5 + options.length / 4,
				reserved: 0,
				flags: bits,
				window: 65535,
				checksum: 0,
				urgent: 0,
				options,
				...rest,
			};
			if (rest.checksum !== undefined) return encodeTcp(header);
			const sum = upperChecksum(
				IpProto.tcp,
				outside,
				encodeTcp(header),
				payload,
			);
			return encodeTcp({ ...header, checksum: sum });
		},
	};
}

function flagBits(letters: string): number {
	return [...letters].reduce((bits, letter) => {
		const bit = FLAG_LETTERS[letter];
		if (bit === undefined) {
			throw new RangeError(
				`tcp flags '${letters}': no flag '${letter}' (use FSRPAUEW)`,
			);
		}
		return bits | bit;
	}, 0);
}

type IcmpFields = Partial<Icmp> & {
	readonly type: number;
	/** Short for `rest` of an echo message. */
	readonly id?: number;
	readonly seq?: number;
};

export function icmp(fields: IcmpFields): BuildLayer {
	return icmpLayer(IpProto.icmp, fields);
}

export function icmpv6(fields: IcmpFields): BuildLayer {
	return icmpLayer(IpProto.icmpv6, fields);
}

function icmpLayer(ipProto: number, fields: IcmpFields): BuildLayer {
	const { id = 0, seq = 0, ...rest } = fields;
	return {
		ipProto,
		header: (payload, _inside, outside) => {
			const header: Icmp = {
				code: 0,
				checksum: 0,
				rest: id * 0x10000 + seq,
				...rest,
			};
			if (rest.checksum !== undefined) return encodeIcmp(header);
			const bytes = encodeIcmp(header);
			// Only ICMPv6 has a pseudo-header (RFC 4443 §2.3).
			const sum =
				ipProto === IpProto.icmp
					? checksum(bytes, payload)
					: upperChecksum(ipProto, outside, bytes, payload);
			return encodeIcmp({ ...header, checksum: sum });
		},
	};
}

/** MD type 1 with zero context unless metadata is given; TTL 63, SI 255. */
export function nsh(fields: Partial<Nsh> & Pick<Nsh, "spi">): BuildLayer {
	return {
		etherType: EtherType.nsh,
		nextProtocol: NshNext.nsh,
		header: (_payload, inside) => {
			const metadata = fields.metadata ?? {
				kind: "context",
				words: [0, 0, 0, 0],
			};
			return encodeNsh({
				version: 0,
				oam: false,
				unassignedBit: false,
				ttl: 63,
				length: 2 + encodeMetadata(metadata).length / 4,
				unassigned: 0,
				mdType: { context: 1, tlvs: 2, raw: 0xf }[metadata.kind],
				nextProtocol: inside?.nextProtocol ?? NshNext.experiment1,
				si: 255,
				metadata,
				...fields,
			});
		},
	};
}

export function vxlanGpe(fields: Partial<Vxlan> = {}): BuildLayer {
	return {
		udpPort: VXLAN_GPE_PORT,
		header: (_payload, inside) =>
			encodeVxlan({
				version: 0,
				instance: true,
				nextProtocolBit: true,
				replicated: false,
				oam: false,
				reservedFlags: 0,
				reserved1: 0,
				nextProtocol: inside?.nextProtocol ?? VxlanNext.ethernet,
				vni: 0,
				reserved2: 0,
				...fields,
			}),
	};
}

/** `checksum: true` computes one; a number is written as it is. */
export function gre(
	fields: Partial<Omit<Gre, "checksum">> & {
		readonly checksum?: number | true;
	} = {},
): BuildLayer {
	const { checksum: sum, ...rest } = fields;
	return {
		ipProto: IpProto.gre,
		header: (payload, inside) => {
			const header: Gre = {
				version: 0,
				protocol: inside?.etherType ?? 0,
				reserved: 0,
				...(sum !== undefined && { checksum: sum === true ? 0 : sum }),
				...rest,
			};
			if (sum !== true) return encodeGre(header);
			return encodeGre({
				...header,
				checksum: checksum(encodeGre(header), payload),
			});
		},
	};
}

/** ICMP echo request, or reply, for IPv4. */
export function echo(id: number, seq: number, reply = false): BuildLayer {
	return icmp({ type: reply ? 0 : 8, id, seq });
}

/** ICMPv6 echo request, or reply. */
export function echo6(id: number, seq: number, reply = false): BuildLayer {
	const type = reply ? Icmpv6Type.echoReply : Icmpv6Type.echoRequest;
	return icmpv6({ type, id, seq });
}

/** Without an IP layer outside there is no pseudo-header: the checksum is 0. */
function upperChecksum(
	proto: number,
	outside: BuildLayer | undefined,
	header: Buffer,
	payload: Buffer,
): number {
	const ip = outside?.addresses;
	if (ip === undefined) return 0;
	const length = header.length + payload.length;
	return checksum(pseudoHeader(ip.src, ip.dst, proto, length), header, payload);
}
