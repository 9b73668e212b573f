/**
 * Golden rows: a frame in, the verdict, the frame out, the reason it was
 * dropped. test/bpf runs them; the benchmark of programs times some of them.
 */

import {
	echo6,
	eth,
	icmpv6,
	ipv4,
	ipv6,
	packet,
	raw,
	tcp,
	udp,
} from "../../src/wire/build.js";
import { PROBE } from "../bpf/world.js";
import { answers } from "./answers.js";
import { expectIp, expectNsh, expectTooBig, expectTunnel } from "./expect.js";
import * as f from "./frames.js";
import { SPI } from "./node.js";
import { access, exit, port, type Row, underlay } from "./row.js";

export type { Row, Step } from "./row.js";

const delivered = access(f.fromUser(f.up4, f.syn(80)));
const passed = port("p1o", f.fromFunction("p1o", f.up4, f.syn(80)));
const ttl63 = ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 });
const ttl63down = ipv4({ src: f.SERVER, dst: f.USER, ttl: 63 });
const expedited = ipv4({ src: f.USER, dst: f.SERVER, dscp: 46 });
const expedited6 = ipv6({ src: f.USER6, dst: f.SERVER6, dscp: 46 });
const dns = udp({ sport: 40000, dport: 53 });

const classifier: Row[] = [
	{
		title: "a packet of the chain goes to its first function",
		...delivered,
		verdict: "redirect",
		out: f.toFunction("p1i", f.up4, f.syn(80)),
	},
	{
		title: "so does IPv6",
		...access(f.fromUser(f.up6, echo6(7, 1))),
		verdict: "redirect",
		out: f.toFunction("p1i", f.up6, echo6(7, 1)),
	},
	{
		title: "behind IPv6 extension headers too",
		...access(
			f.fromUser(
				ipv6({
					src: f.USER6,
					dst: f.SERVER6,
					extensions: [{ type: 0, body: Buffer.from([1, 4, 0, 0, 0, 0]) }],
				}),
				f.syn(80),
			),
		),
		verdict: "redirect",
	},
	{
		title: "a bump in the wire gets it with the MACs of its two ends",
		...access(f.fromUser(f.up4, f.syn(22))),
		verdict: "redirect",
		out: f.toFunction("p2i", f.up4, f.syn(22)),
	},
	{
		title: "a tap's chain goes on to the firewall in the same run",
		...access(f.fromUser(f.up4, dns)),
		verdict: "redirect",
		out: f.toFunction("p1i", f.up4, dns),
	},
	{
		title: "a rule that says drop",
		...access(f.fromUser(f.up4, f.syn(25))),
		verdict: "drop",
		drop: "policy",
	},
	{
		title: "again, by the flow table",
		...access(f.fromUser(f.up4, f.syn(25))),
		after: [access(f.fromUser(f.up4, f.syn(25)))],
		verdict: "drop",
		drop: "policy",
	},
	{
		title: "a rule that says pass leaves it to the stack",
		...access(f.fromUser(f.up4, f.syn(9))),
		verdict: "pass",
		out: f.fromUser(f.up4, f.syn(9)),
	},
	{
		title: "no rule: the tenant's default is forward",
		...access(f.fromUser(f.up4, f.syn(8080))),
		verdict: "pass",
	},
	{
		title: "no rule: the tenant's default is drop",
		...access(f.fromUserVlan(100, f.up4, f.syn(8080))),
		verdict: "drop",
		drop: "default",
	},
	{
		title: "another tenant with the same prefix takes its own path, untagged",
		...access(f.fromUserVlan(100, f.up4, f.syn(80))),
		verdict: "redirect",
		out: f.toFunction("p1i", f.up4, f.syn(80)),
	},
	{
		title: "an unknown VLAN is not ours",
		...access(f.fromUserVlan(7, f.up4, f.syn(80))),
		verdict: "pass",
	},
	{
		title: "a source that is not the tenant's",
		...access(f.fromUser(ipv4({ src: "10.9.9.9", dst: f.SERVER }), f.syn(80))),
		verdict: "drop",
		drop: "spoofed",
	},
	{
		title: "what is for the node itself is left alone",
		...access(f.fromUser(ipv4({ src: f.USER, dst: "10.0.1.1" }), f.syn(80))),
		verdict: "pass",
	},
	{
		title: "multicast stays on its link",
		...access(f.fromUser(ipv4({ src: f.USER, dst: "224.0.0.251" }), dns)),
		verdict: "pass",
	},
	{
		title: "neighbour discovery stays on its link",
		...access(f.fromUser(f.up6, icmpv6({ type: 135 }), Buffer.alloc(16))),
		verdict: "pass",
	},
	{
		title: "ARP is left alone",
		...access(
			packet(
				eth({ src: f.MAC.net, dst: f.MAC.ap, etherType: 0x0806 }),
				Buffer.alloc(46),
			),
		),
		verdict: "pass",
	},
	{
		title: "a frame for another host is left alone",
		...access(packet(eth({ dst: "02:00:00:00:00:99" }), f.up4, f.syn(80))),
		verdict: "pass",
	},
	{
		title: "TCP's header is cut off",
		...access(
			f.fromUser(
				ipv4({ src: f.USER, dst: f.SERVER, proto: 6 }),
				Buffer.alloc(10),
			),
		),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "IP says it is longer than the frame",
		...access(
			f.fromUser(
				ipv4({ src: f.USER, dst: f.SERVER, totalLength: 900 }),
				f.syn(80),
			),
		),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "IP header shorter than 20 bytes",
		...access(
			f.fromUser(ipv4({ src: f.USER, dst: f.SERVER, ihl: 4 }), f.syn(80)),
		),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "TCP header shorter than 20 bytes",
		...access(f.fromUser(f.up4, tcp({ sport: 1, dport: 80, dataOffset: 4 }))),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "a later fragment without its first",
		...access(
			f.fromUser(
				ipv4({
					src: f.USER,
					dst: f.SERVER,
					id: 77,
					fragmentOffset: 104,
					proto: 6,
				}),
				Buffer.alloc(64),
			),
		),
		verdict: "drop",
		drop: "no_fragment_head",
	},
	{
		title: "a later fragment follows its first",
		after: [
			access(
				f.fromUser(
					ipv4({ src: f.USER, dst: f.SERVER, id: 78, moreFragments: true }),
					f.syn(80),
					Buffer.alloc(12),
				),
			),
		],
		...access(
			f.fromUser(
				ipv4({
					src: f.USER,
					dst: f.SERVER,
					id: 78,
					fragmentOffset: 32,
					proto: 6,
				}),
				Buffer.alloc(64),
			),
		),
		verdict: "redirect",
	},
	{
		title: "a packet larger than the path's MTU comes back as an ICMP error",
		...access(f.fromUser(...f.sized(1441, 443))),
		verdict: "redirect",
		drop: "too_big",
		check: (out) => expectTooBig(out, 1440),
	},
	{
		title: "one of just that size goes",
		...access(f.fromUser(...f.sized(1440, 443))),
		verdict: "redirect",
	},
	{
		title: "a SYN's MSS is clamped to the path's MTU",
		...access(f.fromUser(f.up4, f.syn(443, 1460))),
		verdict: "redirect",
		out: f.toFunction("p1i", f.up4, f.syn(443, 1400)),
	},
	{
		title: "a smaller MSS stays",
		...access(f.fromUser(f.up4, f.syn(443, 1000))),
		verdict: "redirect",
		out: f.toFunction("p1i", f.up4, f.syn(443, 1000)),
	},
	{
		title: "a rule of a DSCP",
		...access(f.fromUser(expedited, f.syn(7))),
		verdict: "drop",
		drop: "policy",
	},
	{
		title: "the same without it is nobody's",
		...access(f.fromUser(f.up4, f.syn(7))),
		verdict: "pass",
	},
	{
		title: "a user's reply walks back whatever its DSCP",
		after: [
			exit(f.fromServer(f.down6, f.syn(23))),
			port("p1o", f.fromFunction("p1o", f.down6, f.syn(23))),
		],
		...access(f.fromUser(expedited6, f.answer(23))),
		verdict: "redirect",
		out: f.toFunction("p1o", expedited6, f.answer(23)),
	},
];

const ports: Row[] = [
	{
		title: "what the firewall lets through leaves, one hop older",
		after: [delivered],
		...passed,
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(80)),
	},
	{
		title: "the answer walks back through the same function",
		after: [delivered, passed],
		...exit(f.fromServer(f.down4, f.answer(80))),
		verdict: "redirect",
		out: f.toFunction("p1o", f.down4, f.answer(80)),
	},
	{
		title: "and leaves to the user's own MAC",
		after: [delivered, passed, exit(f.fromServer(f.down4, f.answer(80)))],
		...port("p1i", f.fromFunction("p1i", f.down4, f.answer(80))),
		verdict: "redirect",
		out: f.toUser(ttl63down, f.answer(80)),
	},
	{
		title: "of another tenant by its own flow, not by a route",
		after: [
			access(f.fromUserVlan(100, f.up4, tcp({ sport: 40001, dport: 80 }))),
			port(
				"p1o",
				f.fromFunction("p1o", f.up4, tcp({ sport: 40001, dport: 80 })),
			),
			exit(f.fromServer(f.down4, tcp({ sport: 80, dport: 40001 }))),
		],
		...port(
			"p1i",
			f.fromFunction("p1i", f.down4, tcp({ sport: 80, dport: 40001 })),
		),
		verdict: "redirect",
		out: f.toUser(ttl63down, tcp({ sport: 80, dport: 40001 })),
	},
	{
		title: "two tenants with one tuple never share an exit",
		after: [delivered, passed, access(f.fromUserVlan(100, f.up4, f.syn(80)))],
		...passed,
		verdict: "drop",
		drop: "exit_conflict",
	},
	{
		title: "a reset of the firewall goes back to the user",
		after: [delivered],
		...port(
			"p1i",
			f.fromFunction(
				"p1i",
				f.down4,
				tcp({ sport: 80, dport: 40000, flags: "RA" }),
			),
		),
		verdict: "redirect",
		out: f.toUser(ttl63down, tcp({ sport: 80, dport: 40000, flags: "RA" })),
	},
	{
		title: "so does its ICMP error",
		after: [delivered],
		...port(
			"p1i",
			f.fromFunction("p1i", f.down4, ...f.icmpError(3, 13, f.up4, f.syn(80))),
		),
		verdict: "redirect",
	},
	{
		title: "an ICMP error from outside follows the flow it is about",
		after: [delivered, passed],
		...exit(
			f.fromServer(
				ipv4({ src: "203.0.113.77", dst: f.USER }),
				...f.icmpError(3, 1, ttl63, f.syn(80)),
			),
		),
		verdict: "redirect",
		check: (out) =>
			expectIp(
				out,
				packet(
					ipv4({ src: "203.0.113.77", dst: f.USER }),
					...f.icmpError(3, 1, ttl63, f.syn(80)),
				),
			),
	},
	{
		title: "a function invents a flow",
		...port("p1o", f.fromFunction("p1o", f.up4, tcp({ sport: 4, dport: 80 }))),
		verdict: "drop",
		drop: "port_unbound",
	},
	{
		title: "a function forges a flow of another function's path",
		after: [access(f.fromUser(f.up4, f.syn(22)))],
		...port("p1o", f.fromFunction("p1o", f.up4, f.syn(22))),
		verdict: "drop",
		drop: "port_unbound",
	},
	{
		title: "a function sends a packet back where it came from",
		after: [delivered],
		...port("p1i", f.fromFunction("p1i", f.up4, f.syn(80))),
		verdict: "drop",
		drop: "port_unbound",
	},
	{
		title: "a function sends NSH",
		...port(
			"p1o",
			packet(
				eth({ src: f.MAC.net, dst: f.MAC.p1o, etherType: 0x894f }),
				Buffer.alloc(64),
			),
		),
		verdict: "drop",
		drop: "port_forged",
	},
	{
		title: "a function's ARP ends at its port",
		...port("p1o", packet(eth({ etherType: 0x0806 }), Buffer.alloc(46))),
		verdict: "drop",
		drop: "port_link_local",
	},
	{
		title: "a tap must not send",
		...port("p3i", f.fromFunction("p3i", f.up4, dns)),
		verdict: "drop",
		drop: "port_tap",
	},
	{
		title: "an interface that is no port",
		...port("net", f.fromServer(f.down4, dns)),
		verdict: "drop",
		drop: "port_unknown",
	},
	{
		title: "a NAT's packet has one owner, whatever its tuple",
		after: [access(f.fromUser(f.up4, f.syn(21)))],
		...port(
			"p4o",
			f.fromFunction(
				"p4o",
				ipv4({ src: "203.0.113.200", dst: f.SERVER }),
				tcp({ sport: 1024, dport: 21 }),
			),
		),
		verdict: "redirect",
		out: f.toServer(
			ipv4({ src: "203.0.113.200", dst: f.SERVER, ttl: 63 }),
			tcp({ sport: 1024, dport: 21 }),
		),
	},
	{
		title: "its answer goes to the NAT",
		after: [
			access(f.fromUser(f.up4, f.syn(21))),
			port(
				"p4o",
				f.fromFunction(
					"p4o",
					ipv4({ src: "203.0.113.200", dst: f.SERVER }),
					tcp({ sport: 1024, dport: 21 }),
				),
			),
		],
		...exit(
			f.fromServer(
				ipv4({ src: f.SERVER, dst: "203.0.113.200" }),
				tcp({ sport: 21, dport: 1024 }),
			),
		),
		verdict: "redirect",
		out: f.toFunction(
			"p4o",
			ipv4({ src: f.SERVER, dst: "203.0.113.200" }),
			tcp({ sport: 21, dport: 1024 }),
		),
	},
	{
		title: "and translated back to the user",
		after: [access(f.fromUser(f.up4, f.syn(21)))],
		...port("p4i", f.fromFunction("p4i", f.down4, f.answer(21))),
		verdict: "redirect",
		out: f.toUser(ttl63down, f.answer(21)),
	},
	{
		title: "a probe that came through is consumed",
		...port(
			"p1o",
			f.fromFunction("p1o", ipv4({ src: "198.18.0.2", dst: PROBE }), dns),
		),
		verdict: "drop",
	},
	{
		title: "no route at the exit",
		after: [
			access(f.fromUser(ipv4({ src: f.USER, dst: "100.64.0.1" }), f.syn(80))),
		],
		...port(
			"p1o",
			f.fromFunction(
				"p1o",
				ipv4({ src: f.USER, dst: "100.64.0.1" }),
				f.syn(80),
			),
		),
		verdict: "drop",
		drop: "exit_no_route",
	},
	{
		title: "a route into another tenant's interface",
		after: [
			access(
				f.fromUserVlan(100, ipv4({ src: f.USER, dst: "10.0.1.77" }), f.syn(80)),
			),
		],
		...port(
			"p1o",
			f.fromFunction("p1o", ipv4({ src: f.USER, dst: "10.0.1.77" }), f.syn(80)),
		),
		verdict: "drop",
		drop: "exit_forbidden",
	},
	{
		title: "inbound: a rule of the tenant at the shared exit",
		...exit(f.fromServer(f.down6, f.syn(25))),
		verdict: "drop",
		drop: "policy",
	},
	{
		title:
			"inbound: a reply on the path back opens nothing that a rule has shut",
		after: [
			exit(f.fromServer(f.down6, f.syn(25))),
			underlay(f.fromEdge2(SPI.local + 1, 254, {}, f.up6, f.answer(25))),
		],
		...exit(f.fromServer(f.down6, f.syn(25))),
		verdict: "drop",
		drop: "policy",
	},
	{
		title: "inbound: an address that two tenants share is nobody's",
		...exit(f.fromServer(f.down4, f.syn(25))),
		verdict: "pass",
	},
	{
		title: "inbound: no rule",
		...exit(f.fromServer(f.down4, f.syn(5555))),
		verdict: "pass",
	},
	{
		title: "inbound: nobody's address",
		...exit(
			f.fromServer(ipv4({ src: f.SERVER, dst: "172.20.0.1" }), f.syn(25)),
		),
		verdict: "pass",
	},
];

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

const tunnels: Row[] = [
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
		verdict: "pass",
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

export const rows: readonly Row[] = [
	...classifier,
	...ports,
	...answers,
	...tunnels,
];
