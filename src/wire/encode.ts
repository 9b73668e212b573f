/** The bytes of one decoded header: the inverse of decodePacket's steps. */
import type { Layer } from "./decode.js";
import { encodeEthernet } from "./ethernet.js";
import { encodeGre } from "./gre.js";
import { encodeIcmp } from "./icmp.js";
import { encodeIpv4 } from "./ipv4.js";
import { encodeIpv6 } from "./ipv6.js";
import { encodeNsh } from "./nsh.js";
import { encodeTcp } from "./tcp.js";
import { encodeUdp } from "./udp.js";
import { encodeVxlan } from "./vxlan.js";

/** Every field as it stands, lengths and checksums too. */
export function encodeLayer(layer: Layer): Buffer {
	switch (layer.kind) {
		case "eth":
			return encodeEthernet(layer.header);
		case "ipv4":
			return encodeIpv4(layer.header);
		case "ipv6":
			return encodeIpv6(layer.header);
		case "icmp":
		case "icmpv6":
			return encodeIcmp(layer.header);
		case "tcp":
			return encodeTcp(layer.header);
		case "udp":
			return encodeUdp(layer.header);
		case "vxlan":
			return encodeVxlan(layer.header);
		case "nsh":
			return encodeNsh(layer.header);
		case "gre":
			return encodeGre(layer.header);
	}
}
