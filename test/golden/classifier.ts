/** Golden rows of what arrives from users and from outside: classified, or refused. */
import {
	echo6,
	eth,
	icmpv6,
	ipv4,
	ipv6,
	packet,
	tcp,
} from "../../src/wire/build.js";
import { expectExpired } from "./expect.js";
import * as f from "./frames.js";
import { access, delivered, dns, exit, port, type Row, ttl63 } from "./row.js";

const expedited = ipv4({ src: f.USER, dst: f.SERVER, dscp: 46 });
const expedited6 = ipv6({ src: f.USER6, dst: f.SERVER6, dscp: 46 });

export const classifier: readonly Row[] = [
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
		title: "but not behind more of them than anybody needs",
		...access(
			f.fromUser(
				ipv6({
					src: f.USER6,
					dst: f.SERVER6,
					extensions: Array(7).fill({ type: 60, body: Buffer.alloc(6) }),
				}),
				f.syn(25),
			),
		),
		verdict: "drop",
		drop: "bad_header",
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
		title: "a rule that says pass: unchained where routes lead",
		...access(f.fromUser(f.up4, f.syn(9))),
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(9)),
	},
	{
		title: "no rule: the tenant's default is forward",
		...access(f.fromUser(f.up4, f.syn(8080))),
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(8080)),
	},
	{
		title: "unchained, at the end of its TTL",
		...access(
			f.fromUser(ipv4({ src: f.USER, dst: f.SERVER, ttl: 1 }), f.syn(9)),
		),
		verdict: "redirect",
		drop: "expired",
		check: expectExpired,
	},
	{
		title: "or hop limit",
		...access(
			f.fromUser(ipv6({ src: f.USER6, dst: f.SERVER6, hopLimit: 1 }), f.syn(9)),
		),
		verdict: "redirect",
		drop: "expired",
		check: expectExpired,
	},
	{
		title: "unchained, where no route leads",
		...access(f.fromUser(ipv4({ src: f.USER, dst: "198.51.100.1" }), f.syn(9))),
		verdict: "drop",
		drop: "exit_no_route",
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
		...access(
			f.fromUser(
				ipv6({ src: f.USER6, dst: "ff02::1:ff00:10", hopLimit: 255 }),
				icmpv6({ type: 135 }),
				Buffer.alloc(16),
			),
		),
		verdict: "pass",
	},
	{
		title: "neighbour discovery to somebody behind the node is not routed",
		...access(f.fromUser(f.up6, icmpv6({ type: 135 }), Buffer.alloc(16))),
		verdict: "drop",
		drop: "unowned",
	},
	{
		title: "nor is a link-local address of IPv4",
		...access(
			f.fromUser(ipv4({ src: f.USER, dst: "169.254.169.254" }), f.syn(80)),
		),
		verdict: "drop",
		drop: "unowned",
	},
	{
		title: "a spoofed source to the node itself",
		...access(f.fromUser(ipv4({ src: "9.9.9.9", dst: "10.0.1.1" }), f.syn(80))),
		verdict: "drop",
		drop: "spoofed",
	},
	{
		title: "VLAN tags behind each other hide nothing",
		...access(
			f.fromUserVlan(
				0,
				Buffer.from([0, 0, 0x08, 0x00]),
				packet(f.up4, f.syn(25)),
			),
		),
		verdict: "drop",
		drop: "not_ip",
	},
	{
		title: "an ICMP error for somebody else than it quotes",
		...access(
			f.fromUser(
				ipv4({ src: f.USER, dst: "198.51.100.66" }),
				...f.icmpError(3, 3, ipv4({ src: "10.0.1.1", dst: f.USER }), dns),
			),
		),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "an ICMP error from an address that is not the tenant's",
		...access(
			f.fromUser(
				ipv4({ src: "9.9.9.9", dst: f.SERVER }),
				...f.icmpError(3, 3, f.down4, f.answer(80)),
			),
		),
		verdict: "drop",
		drop: "spoofed",
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
		title: "a tag of priority alone goes too",
		...access(f.fromUserVlan(0, f.up4, f.syn(80))),
		verdict: "redirect",
		out: f.toFunction("p1i", f.up4, f.syn(80)),
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
		verdict: "redirect",
		out: f.toServer(ttl63, f.syn(7)),
	},
	{
		title: "an answer opens nothing for another DSCP than it answered",
		after: [
			access(
				f.fromUser(ipv4({ src: f.USER, dst: f.SERVER, dscp: 10 }), f.syn(7)),
			),
			exit(f.fromServer(f.down4, f.answer(7))),
		],
		...access(f.fromUser(expedited, f.syn(7))),
		verdict: "drop",
		drop: "policy",
	},
	{
		title: "between users: the answer passes as rules let what it answers",
		after: [
			access(
				f.fromUser(
					ipv4({ src: "10.0.1.11", dst: f.USER }),
					tcp({ sport: 25, dport: 23 }),
				),
			),
		],
		...access(
			f.fromUser(
				ipv4({ src: f.USER, dst: "10.0.1.11" }),
				tcp({ sport: 23, dport: 25 }),
			),
		),
		verdict: "redirect",
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
