import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
	echo,
	echo6,
	eth,
	gre,
	icmp,
	icmpv6,
	ipv4,
	ipv6,
	nsh,
	packet,
	raw,
	tcp,
	udp,
	vxlanGpe,
} from "./build.js";
import { decodePacket, layerOf } from "./decode.js";
import { describe } from "./describe.js";
import { writePcap } from "./pcap.js";
import { wrongChecksums } from "./verify.js";

const A = { src: "10.0.0.1", dst: "10.0.0.2" };
const B = { src: "2001:db8::1", dst: "2001:db8::2" };
const U = { src: "192.0.2.1", dst: "192.0.2.2" };

const inner = packet(
	ipv4(A),
	tcp({ sport: 1024, dport: 80, flags: "S", mss: 1460 }),
);

/** Packets with what describe says of them, and tshark's protocol column. */
const ROWS: readonly [Buffer, string, string][] = [
	[
		packet(eth(), ipv4(A), udp({ sport: 1, dport: 2 }), "hello"),
		"IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 5",
		"eth:ethertype:ip:udp:data",
	],
	[
		packet(eth({ vlan: 7 }), ipv6(B), udp({ sport: 1, dport: 2 }), "odd"),
		"vlan 7: IP6 2001:db8::1.1 > 2001:db8::2.2: UDP, length 3",
		"eth:ethertype:vlan:ethertype:ipv6:udp:data",
	],
	[
		packet(
			eth(),
			ipv4({ ...A, options: Buffer.from([1, 1, 1, 0]) }),
			tcp({ sport: 9, dport: 80, flags: "PA", seq: 7, ack: 9, window: 100 }),
			"xy",
		),
		"IP 10.0.0.1.9 > 10.0.0.2.80: TCP [P.], seq 7, ack 9, win 100, length 2",
		"eth:ethertype:ip:tcp",
	],
	[
		packet(
			eth(),
			ipv6(B),
			tcp({ sport: 1024, dport: 80, flags: "S", mss: 1440 }),
		),
		"IP6 2001:db8::1.1024 > 2001:db8::2.80: TCP [S], seq 0, win 65535, mss 1440, length 0",
		"eth:ethertype:ipv6:tcp",
	],
	[
		packet(eth(), ipv4(A), echo(5, 6), Buffer.alloc(56)),
		"IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 5, seq 6, length 56",
		"eth:ethertype:ip:icmp:data",
	],
	[
		packet(eth(), ipv6(B), echo6(5, 6, true), "x"),
		"IP6 2001:db8::1 > 2001:db8::2: ICMP6 echo reply, id 5, seq 6, length 1",
		"eth:ethertype:ipv6:icmpv6:data",
	],
	[
		packet(eth(), ipv4(U), icmp({ type: 3, code: 4, rest: 1440 }), inner),
		"IP 192.0.2.1 > 192.0.2.2: ICMP unreachable, fragmentation needed, mtu 1440, length 44 (IP 10.0.0.1.1024 > 10.0.0.2.80: TCP [S], seq 0, win 65535, mss 1460, length 0)",
		"eth:ethertype:ip:icmp:ip:tcp",
	],
	[
		packet(
			eth(),
			ipv6(B),
			icmpv6({ type: 2, rest: 1400 }),
			packet(ipv6(B), udp({ sport: 3, dport: 4 })),
		),
		"IP6 2001:db8::1 > 2001:db8::2: ICMP6 packet too big, mtu 1400, length 48 (IP6 2001:db8::1.3 > 2001:db8::2.4: UDP, length 0)",
		"eth:ethertype:ipv6:icmpv6:ipv6:udp",
	],
	[
		packet(
			eth(),
			ipv4(U),
			udp({ sport: 50000 }),
			vxlanGpe({ vni: 5 }),
			nsh({ spi: 777, si: 254, ttl: 62 }),
			inner,
		),
		"IP 192.0.2.1.50000 > 192.0.2.2.4790: UDP: VXLAN-GPE vni 5: NSH spi 777 si 254 ttl 62 md 1, next protocol 254, length 44",
		"eth:ethertype:ip:udp:nsh:data",
	],
	[
		packet(
			eth(),
			ipv4(U),
			udp({ sport: 50000 }),
			vxlanGpe(),
			nsh({ spi: 777 }),
			ipv4(A),
			udp({ sport: 1, dport: 2 }),
			"hello",
		),
		"IP 192.0.2.1.50000 > 192.0.2.2.4790: UDP: VXLAN-GPE vni 0: NSH spi 777 si 255 ttl 63 md 1: IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 5",
		"eth:ethertype:ip:udp:nsh:ip:udp:data",
	],
	[
		packet(
			eth(),
			nsh({ spi: 1 }),
			nsh({
				spi: 2,
				metadata: {
					kind: "tlvs",
					tlvs: [
						{
							class: 0,
							type: 5,
							unassigned: false,
							value: Buffer.from("abcde"),
						},
					],
				},
			}),
			ipv6(B),
			echo6(1, 2),
		),
		"NSH spi 1 si 255 ttl 63 md 1: NSH spi 2 si 255 ttl 63 md 2 (1 tlvs): IP6 2001:db8::1 > 2001:db8::2: ICMP6 echo request, id 1, seq 2, length 0",
		"eth:ethertype:nsh:nsh:ipv6:icmpv6",
	],
	[
		packet(
			eth(),
			ipv4(U),
			gre({ key: 9, sequence: 4, checksum: true }),
			ipv4(A),
			echo(1, 2),
			"abc",
		),
		"IP 192.0.2.1 > 192.0.2.2: GRE, key 9, seq 4: IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 2, length 3",
		"eth:ethertype:ip:gre:ip:icmp:data",
	],
	[
		packet(
			eth(),
			ipv4({ ...A, proto: 17, id: 3, fragmentOffset: 1480 }),
			Buffer.alloc(8),
		),
		"IP 10.0.0.1 > 10.0.0.2 (frag 3@1480), fragment, length 8",
		"eth:ethertype:ip:data",
	],
	[
		packet(
			eth(),
			ipv6({
				...B,
				extensions: [
					{ type: 60, body: Buffer.from([1, 4, 0, 0, 0, 0]) },
					{ type: 44, offset: 0, more: true, id: 7, reserved: 0 },
				],
			}),
			udp({ sport: 1, dport: 2, length: 100, checksum: 1 }),
			Buffer.alloc(16),
		),
		"IP6 2001:db8::1.1 > 2001:db8::2.2 (frag 7@0+): UDP, length 16 [truncated]",
		"eth:ethertype:ipv6:ipv6.dstopts:ipv6.fraghdr:data",
	],
];

test("what is built decodes to its layers, with right checksums", () => {
	for (const [bytes, line] of ROWS) {
		const decoded = decodePacket(bytes);
		assert.equal(describe(decoded), line);
		assert.deepEqual(wrongChecksums(decoded), [], line);
	}
});

const hasTshark = spawnSync("tshark", ["--version"]).status === 0;

test("tshark reads the same protocols and finds every checksum right", {
	skip: hasTshark ? false : "no tshark",
}, (t) => {
	// A file: Node feeds a child's stdin through a socket, which tshark refuses.
	const folder = mkdtempSync(join(tmpdir(), "chainmail-build-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const file = join(folder, "built.pcap");
	const frames = ROWS.map(([data], i) => ({ time: BigInt(i), data }));
	writeFileSync(file, writePcap(frames));
	const checks = ["ip", "udp", "tcp"].flatMap((name) => [
		"-o",
		`${name}.check_checksum:TRUE`,
	]);
	const fields = [
		"frame.protocols",
		"ip.checksum.status",
		"udp.checksum.status",
		"tcp.checksum.status",
		"icmp.checksum.status",
		"icmpv6.checksum.status",
		"gre.checksum.status",
	];
	const output = execFileSync(
		"tshark",
		[
			"-r",
			file,
			...checks,
			"-T",
			"fields",
			...fields.flatMap((name) => ["-e", name]),
		],
		{ encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
	);
	const lines = output
		.trimEnd()
		.split("\n")
		.map((line) => line.split("\t"));
	assert.deepEqual(
		lines.map(([protocols]) => protocols),
		ROWS.map(([, , protocols]) => protocols),
	);
	for (const [i, [, ...statuses]] of lines.entries()) {
		// 0 is "bad", 1 good, 2 unverified (fragments), 3 not present.
		assert.doesNotMatch(statuses.join(), /0/, ROWS[i]?.[1]);
	}
	assert.match(lines.join(), /1/);
});

test("a field that is given wins, so malformed packets can be built", () => {
	const bad = packet(
		eth({ etherType: 0x0800 }),
		ipv4({ ...A, checksum: 1, totalLength: 99, ttl: 0 }),
		udp({ sport: 1, dport: 2, length: 9, checksum: 7 }),
		"data",
	);
	const decoded = decodePacket(bad);
	assert.equal(decoded.truncated, true);
	assert.deepEqual(wrongChecksums(decoded), ["ipv4"]);
	assert.equal(layerOf(decoded, "ipv4")?.totalLength, 99);
	assert.equal(layerOf(decoded, "udp")?.length, 9);
	assert.equal(decoded.payload.toString(), "d");

	const forged = packet(nsh({ spi: 1, version: 2 }), ipv4(A));
	assert.match(
		decodePacket(forged, "nsh").stopped?.message ?? "",
		/version is 2/,
	);
});

test("a wrong upper checksum is found behind the tunnel", () => {
	const bytes = packet(
		eth(),
		ipv4(U),
		udp(),
		vxlanGpe(),
		nsh({ spi: 1 }),
		ipv4(A),
		tcp({ sport: 1, dport: 2, checksum: 5 }),
	);
	assert.deepEqual(wrongChecksums(decodePacket(bytes)), ["tcp"]);
});

test("a UDP checksum that comes out as zero is sent as 0xffff", () => {
	// The payload is chosen so that the sum is all ones.
	const plain = layerOf(
		decodePacket(packet(ipv4(A), udp(), raw(Buffer.alloc(2))), "ip"),
		"udp",
	);
	const payload = Buffer.alloc(2);
	payload.writeUInt16BE(plain?.checksum ?? 0);
	const decoded = decodePacket(packet(ipv4(A), udp(), raw(payload)), "ip");
	assert.equal(layerOf(decoded, "udp")?.checksum, 0xffff);
	assert.deepEqual(wrongChecksums(decoded), []);
});

test("layers nest without end only up to a limit", () => {
	const bytes = packet(...Array.from({ length: 100 }, () => nsh({ spi: 1 })));
	const decoded = decodePacket(bytes, "nsh");
	assert.equal(decoded.layers.length, 64);
	assert.match(decoded.stopped?.message ?? "", /nested too deep/);
});

test("link-layer padding is no payload", () => {
	const frame = Buffer.concat([
		packet(eth(), ipv4(A), udp(), "hi"),
		Buffer.alloc(16, 0xff),
	]);
	assert.equal(decodePacket(frame).payload.toString(), "hi");
});
