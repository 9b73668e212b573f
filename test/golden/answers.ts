/**
 * Golden rows of what a function says itself instead of passing a packet on:
 * resets and ICMP errors, as an nftables `reject` sends them.
 */
import { linkAddresses } from "../../src/functions/names.js";
import {
	echo,
	echo6,
	icmp,
	icmpv6,
	ipv4,
	ipv6,
	packet,
	tcp,
} from "../../src/wire/build.js";
import { expectTunnel } from "./expect.js";
import * as f from "./frames.js";
import { PORT, SPI } from "./node.js";
import {
	access,
	delivered,
	dns,
	exit,
	passed,
	port,
	type Row,
	ttl63down,
	underlay,
} from "./row.js";

const delivered6 = access(f.fromUser(f.up6, echo6(7, 1)));

const reset = (sport: number) => tcp({ sport, dport: 40000, flags: "RA" });
const resetUp = tcp({ sport: 40000, dport: 80, flags: "R" });

/** From the function's own address on the link it leaves by. */
const link = (side: "inside" | "outside", family: 4 | 6) =>
	linkAddresses(PORT.firewall, side, family).own;
const error4 = (ttl = 64) =>
	[
		ipv4({ src: f.SERVER, dst: f.USER, ttl }),
		...f.icmpError(3, 3, f.up4, dns),
	] as const;
const error6 = (src: string, ttl = 64) => [
	ipv6({ src, dst: f.USER6, hopLimit: ttl }),
	icmpv6({ type: 1, code: 4 }),
	packet(f.up6, echo6(7, 1)),
];

export const answers: readonly Row[] = [
	{
		title: "the firewall's reset of a new connection goes to the user",
		after: [delivered],
		...port("p1i", f.fromFunction("p1i", f.down4, reset(80))),
		verdict: "redirect",
		out: f.toUser(ttl63down, reset(80)),
	},
	{
		title: "also by the other side: its rules may set marks of their own",
		after: [delivered],
		...port("p1o", f.fromFunction("p1o", f.down4, reset(80))),
		verdict: "redirect",
		out: f.toUser(ttl63down, reset(80)),
	},
	{
		title: "of a connection that has had answers",
		after: [delivered, passed, exit(f.fromServer(f.down4, f.answer(80)))],
		...port("p1i", f.fromFunction("p1i", f.down4, reset(80))),
		verdict: "redirect",
		out: f.toUser(ttl63down, reset(80)),
	},
	{
		title: "its reset of the server's packet goes to the server",
		after: [delivered, passed, exit(f.fromServer(f.down4, f.answer(80)))],
		...port("p1o", f.fromFunction("p1o", f.up4, resetUp)),
		verdict: "redirect",
		out: f.toServer(ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }), resetUp),
	},
	{
		title: "of a connection from outside, before the user has said anything",
		after: [exit(f.fromServer(f.down6, f.syn(23)))],
		...port("p1o", f.fromFunction("p1o", f.up6, f.answer(23))),
		verdict: "redirect",
		out: f.toServer(
			ipv6({ src: f.USER6, dst: f.SERVER6, hopLimit: 63 }),
			f.answer(23),
		),
	},
	{
		title: "a reset that nobody's packet asked for",
		after: [delivered],
		...port("p1i", f.fromFunction("p1i", f.down4, reset(8080))),
		verdict: "drop",
		drop: "port_unbound",
	},
	{
		title: "a bump in the wire resets too",
		after: [access(f.fromUser(f.up4, f.syn(22)))],
		...port("p2i", f.fromFunction("p2i", f.down4, reset(22))),
		verdict: "redirect",
		out: f.toUser(ttl63down, reset(22)),
	},
	{
		title: "a NAT's reset, by the one path of its port",
		after: [access(f.fromUser(f.up4, f.syn(21)))],
		...port("p4i", f.fromFunction("p4i", f.down4, reset(21))),
		verdict: "redirect",
		out: f.toUser(ttl63down, reset(21)),
	},
	{
		title: "an ICMP error passes the tap on its way and comes from the server",
		after: [access(f.fromUser(f.up4, dns))],
		...port(
			"p1i",
			f.fromFunction(
				"p1i",
				ipv4({ src: link("inside", 4), dst: f.USER }),
				...f.icmpError(3, 3, f.up4, dns),
			),
		),
		verdict: "redirect",
		out: f.toUser(...error4(63)),
	},
	{
		title: "an address of its own that others can reach stays",
		after: [access(f.fromUser(f.up4, dns))],
		...port(
			"p1i",
			f.fromFunction(
				"p1i",
				ipv4({ src: "203.0.113.99", dst: f.USER }),
				...f.icmpError(11, 0, f.up4, dns),
			),
		),
		verdict: "redirect",
		out: f.toUser(
			ipv4({ src: "203.0.113.99", dst: f.USER, ttl: 63 }),
			...f.icmpError(11, 0, f.up4, dns),
		),
	},
	{
		title: "an ICMPv6 error",
		after: [delivered6],
		...port("p1i", f.fromFunction("p1i", ...error6(link("inside", 6)))),
		verdict: "redirect",
		out: f.toUser(...error6(f.SERVER6, 63)),
	},
	{
		title: "an ICMP error about the server's packet goes to the server",
		after: [
			access(f.fromUser(f.up4, echo(9, 1))),
			port("p1o", f.fromFunction("p1o", f.up4, echo(9, 1))),
			exit(f.fromServer(f.down4, echo(9, 1, true))),
		],
		...port(
			"p1o",
			f.fromFunction(
				"p1o",
				ipv4({ src: link("outside", 4), dst: f.SERVER }),
				icmp({ type: 11, code: 0 }),
				packet(f.down4, echo(9, 1, true)),
			),
		),
		verdict: "redirect",
		out: f.toServer(
			ipv4({ src: f.USER, dst: f.SERVER, ttl: 63 }),
			icmp({ type: 11, code: 0 }),
			packet(f.down4, echo(9, 1, true)),
		),
	},
	{
		title: "a reset of what came from another node goes on to that node's user",
		after: [
			underlay(f.fromEdge2(SPI.remote + 1, 254, {}, f.down4, f.answer(443))),
		],
		...port(
			"p1o",
			f.fromFunction(
				"p1o",
				f.up4,
				tcp({ sport: 40000, dport: 443, flags: "R" }),
			),
		),
		verdict: "redirect",
		check: (out) =>
			expectTunnel(out, {
				spi: SPI.remote,
				si: 254,
				ttl: 58,
				inner: packet(f.up4, tcp({ sport: 40000, dport: 443, flags: "R" })),
			}),
	},
];
