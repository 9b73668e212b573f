/** Golden rows of the classifier: headers that lie, fragments, sizes. */
import { ipv4, ipv6, tcp, udp } from "../../src/wire/build.js";
import { expectTooBig } from "./expect.js";
import * as f from "./frames.js";
import { access, type Row } from "./row.js";

export const headers: readonly Row[] = [
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
		title: "TCP's header reaches beyond the IP packet",
		...access(
			f.fromUser(
				ipv4({ src: f.USER, dst: f.SERVER, totalLength: 30 }),
				f.syn(80),
			),
		),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "so do its options",
		...access(f.fromUser(f.up4, tcp({ sport: 1, dport: 80, dataOffset: 8 }))),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "UDP says that it is shorter than its header",
		...access(f.fromUser(f.up4, udp({ sport: 1, dport: 53, length: 7 }))),
		verdict: "drop",
		drop: "bad_header",
	},
	{
		title: "an ICMP error whose quoted ports are padding behind the IP packet",
		...access(
			f.fromUser(
				ipv4({ src: f.USER, dst: f.SERVER, totalLength: 20 + 8 + 20 }),
				...f.icmpError(3, 1, f.down4, f.syn(80)),
			),
		),
		verdict: "drop",
		drop: "truncated",
	},
	{
		title: "a fragment of a fragment",
		...access(
			f.fromUser(
				ipv6({
					src: f.USER6,
					dst: f.SERVER6,
					proto: 6,
					extensions: [
						{ type: 44, offset: 0, more: true, id: 1, reserved: 0 },
						{ type: 44, offset: 8, more: true, id: 2, reserved: 0 },
					],
				}),
				Buffer.alloc(32),
			),
		),
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
];
