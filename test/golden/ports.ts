/** Golden rows of what functions give back, and of what leaves at the exit. */
import { eth, ipv4, packet, tcp } from "../../src/wire/build.js";
import { PROBE } from "../bpf/world.js";
import { expectIp } from "./expect.js";
import * as f from "./frames.js";
import { SPI } from "./node.js";
import {
	access,
	delivered,
	dns,
	exit,
	hops63down,
	passed,
	port,
	type Row,
	ttl63,
	ttl63down,
	underlay,
} from "./row.js";

export const ports: readonly Row[] = [
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
		verdict: "drop",
		drop: "unowned",
	},
	{
		title: "inbound: no rule: the tenant's default is forward",
		...exit(f.fromServer(f.down6, f.syn(5555))),
		verdict: "redirect",
		out: f.toUser(hops63down, f.syn(5555)),
	},
	{
		title: "inbound: an answer to what passed unchained",
		after: [access(f.fromUser(f.up4, f.syn(9)))],
		...exit(f.fromServer(f.down4, f.answer(9))),
		verdict: "redirect",
		out: f.toUser(ttl63down, f.answer(9)),
	},
	{
		title: "inbound: an answer to a user behind a VLAN, not by a route",
		after: [
			access(f.fromUserVlan(100, f.up4, tcp({ sport: 40002, dport: 9 }))),
		],
		...exit(f.fromServer(f.down4, tcp({ sport: 9, dport: 40002 }))),
		verdict: "redirect",
		out: f.toUser(ttl63down, tcp({ sport: 9, dport: 40002 })),
	},
	{
		title: "inbound: nobody's address",
		...exit(
			f.fromServer(ipv4({ src: f.SERVER, dst: "172.20.0.1" }), f.syn(25)),
		),
		verdict: "drop",
		drop: "unowned",
	},
];
