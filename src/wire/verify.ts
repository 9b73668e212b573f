/** Checks the checksums of a decoded packet: what a receiver would refuse. */
import { checksum, pseudoHeader } from "./checksum.js";
import type { DecodedPacket, Layer } from "./decode.js";
import { IpProto, ipv4ChecksumOk } from "./ipv4.js";
import { ipv6Fragment } from "./ipv6.js";

/**
 * Names of the layers whose checksum is wrong, outermost first. Fragments and
 * truncated packets are checked as far as their bytes reach.
 */
export function wrongChecksums(packet: DecodedPacket): string[] {
	return packet.layers
		.filter((layer, i) => !checksumOk(packet, layer, packet.layers[i - 1]))
		.map(({ kind }) => kind);
}

function checksumOk(
	packet: DecodedPacket,
	layer: Layer,
	outside: Layer | undefined,
): boolean {
	if (layer.kind === "ipv4") return ipv4ChecksumOk(layer.header);
	if (packet.truncated || isFragment(outside)) return true;
	const bytes = packet.bytes.subarray(layer.offset, layer.end);
	switch (layer.kind) {
		case "tcp":
			return upperOk(outside, IpProto.tcp, bytes);
		case "udp":
			// IPv4 allows none; IPv6 only for tunnels (RFC 6935), which these may be.
			return (
				layer.header.checksum === 0 || upperOk(outside, IpProto.udp, bytes)
			);
		case "icmpv6":
			return upperOk(outside, IpProto.icmpv6, bytes);
		case "icmp":
			return checksum(bytes) === 0;
		case "gre":
			return layer.header.checksum === undefined || checksum(bytes) === 0;
		default:
			return true;
	}
}

function isFragment(layer: Layer | undefined): boolean {
	if (layer?.kind === "ipv4") {
		return layer.header.moreFragments || layer.header.fragmentOffset > 0;
	}
	const fragment = layer?.kind === "ipv6" && ipv6Fragment(layer.header);
	return Boolean(fragment && (fragment.more || fragment.offset > 0));
}

function upperOk(
	outside: Layer | undefined,
	proto: number,
	bytes: Buffer,
): boolean {
	if (outside?.kind !== "ipv4" && outside?.kind !== "ipv6") return true;
	const { src, dst } = outside.header;
	return checksum(pseudoHeader(src, dst, proto, bytes.length), bytes) === 0;
}
