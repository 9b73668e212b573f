/** Golden rows of the underlay: NSH in VXLAN-GPE, sent, received and passed on. */
import { eth, ipv4, packet, raw, tcp } from "../../src/wire/build.js";
import { expectNsh, expectTunnel } from "./expect.js";
import * as f from "./frames.js";
import { SPI } from "./node.js";
import {
	access,
	dns,
	hops63down,
	port,
	type Row,
	ttl63,
	underlay,
} from "./row.js";

const inner = [f.down4, f.answer(443)] as const;
/** The reverse path of `remote` comes from edge2 at SI 254 and meets the firewall here. */
const arrives = (
	tunnel: f.Tunnel = {},
	si = 254,
	spi: number = SPI.remote + 1,
) => underlay(f.fromEdge2(spi, si, tunnel, ...inner));

const upward = [f.up4, f.syn(443)] as const;
/** What another implementation may say, and we may not change (RFC 8300 §2.2, §2.4). */
const METADATA = {
	unassigned: 0xf,
	unassignedBit: true,
	metadata: { kind: "context", words: [0x01020304, 0xffffffff, 0, 5] },
} as const;

export const tunnels: readonly Row[] = [
	{
		title: "to the next node: NSH in VXLAN-GPE",
		after: [access(f.fromUser(f.up4, f.syn(443)))],
		...port("p1o", f.fromFunction("p1o", f.up4, f.syn(443))),
		verdict: "redirect",
		check: (out) =>
			expectTunnel(out, {
				spi: SPI.remote,
				si: 254,
				ttl: 61,
				inner: packet(f.up4, f.syn(443)),
			}),
	},
	{
		title: "through a function between two nodes: the metadata stays",
		after: [
			underlay(f.fromEdge2(SPI.remote, 255, { nsh: METADATA }, ...upward)),
		],
		...port("p1o", f.fromFunction("p1o", ...upward)),
		verdict: "redirect",
		check: (out) => {
			expectTunnel(out, {
				spi: SPI.remote,
				si: 254,
				ttl: 58,
				inner: packet(...upward),
			});
			expectNsh(out, METADATA);
		},
	},
	{
		title: "from the next node, to the function here",
		...arrives(),
		verdict: "redirect",
		out: f.toFunction("p1o", ...inner),
	},
	{
		title: "IPv6 inside",
		...underlay(f.fromEdge2(SPI.remote + 1, 254, {}, f.down6, f.answer(443))),
		verdict: "redirect",
		out: f.toFunction("p1o", f.down6, f.answer(443)),
	},
	{
		title: "an Ethernet frame inside",
		...underlay(f.fromEdge2(SPI.remote + 1, 254, {}, eth({}), ...inner)),
		verdict: "redirect",
		out: f.toFunction("p1o", ...inner),
	},
	{
		title: "metadata of MD type 2",
		...arrives({
			nsh: {
				mdType: 2,
				metadata: {
					kind: "tlvs",
					tlvs: [
						{
							class: 0,
							type: 4,
							unassigned: false,
							value: Buffer.from([1, 2, 3, 4]),
						},
					],
				},
			},
		}),
		verdict: "redirect",
		out: f.toFunction("p1o", ...inner),
	},
	{
		title: "on the way between two nodes only SI's owner and the TTL change",
		...underlay(f.fromEdge2(SPI.transit, 254, {}, ...inner)),
		verdict: "redirect",
		check: (out) =>
			expectTunnel(out, {
				spi: SPI.transit,
				si: 254,
				ttl: 59,
				inner: packet(...inner),
			}),
	},
	{
		title: "VXLAN-GPE from an address that is no node's",
		...arrives({ src: "192.0.2.66" }),
		verdict: "drop",
		drop: "unknown_peer",
	},
	{
		title: "VXLAN-GPE for another address",
		...arrives({ dst: "192.0.2.99" }),
		verdict: "drop",
		drop: "exit_no_route",
	},
	{
		title: "other UDP on the underlay",
		...underlay(
			packet(
				eth({ src: f.MAC.net, dst: f.MAC.up }),
				ipv4({ src: "192.0.2.5", dst: "192.0.2.1" }),
				dns,
			),
		),
		verdict: "pass",
	},
	{
		title: "unchained from the underlay to a user whose rules let it",
		...underlay(
			packet(
				eth({ src: f.MAC.net, dst: f.MAC.up }),
				f.down6,
				tcp({ sport: 9, dport: 40000 }),
			),
		),
		verdict: "redirect",
		out: f.toUser(hops63down, tcp({ sport: 9, dport: 40000 })),
	},
	{
		title: "and whose rules do not",
		...underlay(
			packet(
				eth({ src: f.MAC.net, dst: f.MAC.up }),
				f.down6,
				tcp({ sport: 25, dport: 40000 }),
			),
		),
		verdict: "drop",
		drop: "unowned",
	},
	{
		title: "unchained from the underlay to the outside",
		...underlay(
			packet(eth({ src: f.MAC.net, dst: f.MAC.up }), f.up4, f.syn(9)),
		),
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(9)),
	},
	{
		title: "VXLAN without the P bit",
		...arrives({ vxlan: { nextProtocolBit: false } }),
		verdict: "drop",
		drop: "vxlan_flags",
	},
	{
		title: "VXLAN without a VNI",
		...arrives({ vxlan: { instance: false } }),
		verdict: "drop",
		drop: "vxlan_flags",
	},
	{
		title: "VXLAN-GPE version 1",
		...arrives({ vxlan: { version: 1 } }),
		verdict: "drop",
		drop: "vxlan_flags",
	},
	{
		title: "VXLAN-GPE with IPv4 right inside",
		...arrives({ vxlan: { nextProtocol: 1 } }),
		verdict: "drop",
		drop: "next_protocol",
	},
	{
		title: "NSH version 1",
		...arrives({ nsh: { version: 1 } }),
		verdict: "drop",
		drop: "nsh_version",
	},
	{
		title: "NSH with the O bit",
		...arrives({ nsh: { oam: true } }),
		verdict: "drop",
		drop: "nsh_oam",
	},
	{
		title: "a question that goes ahead, asked by a node that nobody knows",
		...arrives({
			nsh: {
				oam: true,
				metadata: { kind: "context", words: [1, 0x00630001, 0, 0] },
			},
		}),
		verdict: "drop",
		drop: "no_hop",
	},
	{
		title: "NSH MD type 1 of another length",
		...arrives({ nsh: { length: 7 } }),
		verdict: "drop",
		drop: "nsh_md_type",
	},
	{
		title: "NSH MD type 3",
		...arrives({ nsh: { mdType: 3 } }),
		verdict: "drop",
		drop: "nsh_md_type",
	},
	{
		title: "NSH around MPLS",
		...arrives({ nsh: { nextProtocol: 5 } }),
		verdict: "drop",
		drop: "next_protocol",
	},
	{
		title: "TTL 1 ends here",
		...arrives({ nsh: { ttl: 1 } }),
		verdict: "drop",
		drop: "ttl_zero",
	},
	{
		title: "TTL 0 counts as 64",
		...arrives({ nsh: { ttl: 0 } }),
		verdict: "redirect",
	},
	{
		title: "TTL 1 ends on the way too",
		...underlay(f.fromEdge2(SPI.transit, 254, { nsh: { ttl: 1 } }, ...inner)),
		verdict: "drop",
		drop: "ttl_zero",
	},
	{ title: "SI 0", ...arrives({}, 0), verdict: "drop", drop: "si_zero" },
	{
		title: "an SI below the path's end",
		...arrives({}, 3),
		verdict: "drop",
		drop: "no_hop",
	},
	{
		title: "an SI this node does not serve",
		...arrives({}, 255),
		verdict: "drop",
		drop: "no_hop",
	},
	{
		title: "an unknown path",
		...arrives({}, 254, 4000),
		verdict: "drop",
		drop: "no_path",
	},
	{
		title: "the last SPI there is",
		...arrives({}, 254, 0xffffff),
		verdict: "drop",
		drop: "no_path",
	},
	{
		title: "the outer IP packet is cut off, on the way between two nodes",
		...underlay(f.fromEdge2(SPI.transit, 254, {}, ...inner).subarray(0, -4)),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "an outer IP packet of no version",
		...arrives({ ipVersion: 0 }),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "UDP's length is not that of the outer IP packet",
		...arrives({ udpLength: 8 }),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "cut off inside the NSH",
		...underlay(
			f.fromEdge2(SPI.remote + 1, 254, {}).subarray(0, 14 + 20 + 8 + 8 + 4),
		),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "cut off behind the NSH",
		...underlay(
			f.fromEdge2(
				SPI.remote + 1,
				254,
				{ nsh: { nextProtocol: 1 } },
				raw(Buffer.alloc(8)),
			),
		),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "MD type 2 longer than the packet",
		...arrives({ nsh: { mdType: 2, length: 63 } }),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "NSH says IPv6 around IPv4",
		...arrives({ nsh: { nextProtocol: 2 } }),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "an Ethernet frame inside that is ARP",
		...underlay(
			f.fromEdge2(
				SPI.remote + 1,
				254,
				{},
				eth({ etherType: 0x0806 }),
				Buffer.alloc(46),
			),
		),
		verdict: "drop",
		drop: "next_protocol",
	},
];
