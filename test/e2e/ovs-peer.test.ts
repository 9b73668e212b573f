/**
 * Open vSwitch in user space as an independent NSH peer: it forwards what
 * src/wire builds, and src/wire reads what it encapsulates.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { buildLab, type Lab } from "../../lab/lab.js";
import { whyNoOvs } from "../../lab/ovs.js";
import {
	type Attachment,
	checksumsInSoftware,
	OvsNode,
	type PathPosition,
} from "../../lab/ovs-nsh.js";
import { FORWARDING, type Topology } from "../../lab/topology.js";
import { Datagrams } from "../../lab/traffic/datagrams.js";
import {
	echo6,
	ipv4,
	ipv6,
	nsh,
	packet,
	tcp,
	udp,
	vxlanGpe,
} from "../../src/wire/build.js";
import {
	type DecodedPacket,
	decodePacket,
	layerOf,
} from "../../src/wire/decode.js";
import type { NshMetadata } from "../../src/wire/nsh.js";
import { wrongChecksums } from "../../src/wire/verify.js";
import { VXLAN_GPE_PORT } from "../../src/wire/vxlan.js";

const LEFT = "192.0.2.1";
const OVS = "192.0.2.2";
const RIGHT = "192.0.2.3";
const CLIENT = { ip: "10.0.0.1", mac: "02:00:00:00:01:01" };
const FAR = { ip: "10.0.0.2", mac: "02:00:00:00:01:02" };
const FUNCTION_MAC = "02:00:00:00:01:03";
const MTU = 1600;

/** Two nodes left and right of the switch, a client and a routed function attached to it. */
const topology: Topology = {
	hosts: ["left", "right", "ovs", "client", "function"],
	links: [
		{
			a: "left:eth0",
			b: "ovs:left",
			mtu: MTU,
			addresses: { a: [`${LEFT}/24`] },
		},
		{
			a: "right:eth0",
			b: "ovs:right",
			mtu: MTU,
			addresses: { a: [`${RIGHT}/24`] },
		},
		{
			a: "client:eth0",
			b: "ovs:client",
			addresses: { a: [`${CLIENT.ip}/24`, "2001:db8::1/64"] },
		},
		{ a: "function:in", b: "ovs:in", addresses: { a: ["10.9.1.1/30"] } },
		{ a: "function:out", b: "ovs:out", addresses: { a: ["10.9.1.5/30"] } },
	],
	routes: [{ host: "function", to: "default", via: "10.9.1.6" }],
	sysctls: { function: FORWARDING },
};

const CONTEXT: NshMetadata = {
	kind: "context",
	words: [0x01020304, 5, 6, 0xffffffff],
};
const TLVS: NshMetadata = {
	kind: "tlvs",
	tlvs: [
		{ class: 0, type: 5, unassigned: false, value: Buffer.from("tenant") },
		{ class: 0xfff6, type: 1, unassigned: false, value: Buffer.alloc(8, 0xab) },
	],
};

const A = { src: "10.9.0.1", dst: "10.9.0.2" };
const B = { src: "2001:db8:9::1", dst: "2001:db8:9::2" };
const PAYLOADS: readonly [string, Buffer, number][] = [
	[
		"IPv4 UDP",
		packet(ipv4({ ...A, ttl: 9 }), udp({ sport: 1, dport: 2 }), "odd"),
		1,
	],
	[
		"IPv4 TCP of full size",
		packet(
			ipv4(A),
			tcp({ sport: 1, dport: 2, flags: "PA" }),
			Buffer.alloc(1400, 7),
		),
		1,
	],
	["IPv6 echo", packet(ipv6(B), echo6(3, 4), "x"), 2],
];

describe("Open vSwitch as NSH peer", { skip: whyNoOvs() }, () => {
	let lab: Lab;
	let node: OvsNode;
	let left: Datagrams;
	let right: Datagrams;
	let client: Attachment;

	before(async () => {
		lab = await buildLab(topology);
		await checksumsInSoftware(lab.host("left"), "eth0");
		await checksumsInSoftware(lab.host("right"), "eth0");
		await checksumsInSoftware(lab.host("client"), "eth0");
		await lab
			.host("client")
			.must(["ip", "link", "set", "eth0", "address", CLIENT.mac]);
		await lab
			.host("client")
			.must(["ip", "neigh", "add", FAR.ip, "lladdr", FAR.mac, "dev", "eth0"]);
		await lab
			.host("client")
			.must([
				"ip",
				"neigh",
				"add",
				"2001:db8::2",
				"lladdr",
				FAR.mac,
				"dev",
				"eth0",
			]);
		node = await OvsNode.start(lab.host("ovs"), {
			underlay: ["left", "right"],
			address: `${OVS}/24`,
		});
		client = await node.attach("client", CLIENT.mac);
		left = await Datagrams.open(lab.host("left"), LEFT, VXLAN_GPE_PORT);
		right = await Datagrams.open(lab.host("right"), RIGHT, VXLAN_GPE_PORT);
	});

	after(async () => {
		await lab?.destroy();
	});

	/** Kernels behind the switch also send housekeeping, which is carried as well. */
	async function nextToPort6666(): Promise<DecodedPacket> {
		for (;;) {
			const { data } = await right.next();
			const decoded = decodePacket(data, "vxlan");
			if (layerOf(decoded, "udp")?.dport === 6666) return decoded;
		}
	}

	/** The switch brings its counters up to date about once a second. */
	async function counted(at: PathPosition, packets: number): Promise<void> {
		const deadline = Date.now() + 5000;
		while ((await node.packets(at)) < packets) {
			assert.ok(Date.now() < deadline, `fewer than ${packets} counted`);
			await setTimeout(50);
		}
		assert.equal(await node.packets(at), packets);
	}

	/** NSH as the switch may leave it: only the TTL one less (RFC 8300 §2.2). */
	for (const [kind, metadata] of [
		["MD type 1", CONTEXT],
		["MD type 2", TLVS],
	] as const) {
		test(`forwards ${kind} byte for byte but for the TTL`, async () => {
			const at = { spi: 0xabcdef, si: 254 };
			await node.forward(at, RIGHT);
			for (const [name, inner, nextProtocol] of PAYLOADS) {
				const chain = (ttl: number) =>
					packet(
						vxlanGpe(),
						nsh({ ...at, ttl, nextProtocol, metadata }),
						inner,
					);
				left.send(chain(63), OVS, VXLAN_GPE_PORT);
				const received = await right.next();
				assert.equal(received.from, OVS);
				assert.deepEqual(received.data, chain(62), name);
			}
			await counted(at, PAYLOADS.length);
		});
	}

	test("drops what no flow names: another SI, another SPI", async () => {
		const at = { spi: 1000, si: 255 };
		await node.forward(at, RIGHT);
		const chain = (position: { spi: number; si: number }, text: string) =>
			packet(
				vxlanGpe(),
				nsh({ ...position, nextProtocol: 1 }),
				ipv4(A),
				udp(),
				text,
			);
		left.send(chain({ spi: 1000, si: 254 }, "a"), OVS, VXLAN_GPE_PORT);
		left.send(chain({ spi: 1001, si: 255 }, "b"), OVS, VXLAN_GPE_PORT);
		left.send(chain(at, "c"), OVS, VXLAN_GPE_PORT);
		// One queue all the way: had the others passed, they would come first.
		assert.equal(
			decodePacket((await right.next()).data, "vxlan").payload.toString(),
			"c",
		);
	});

	test("as a function: takes NSH off and writes it anew with the SI one less", async () => {
		const at = { spi: 2000, si: 200 };
		await node.passThrough(at, { to: LEFT, ttl: 40, context: [9, 8, 7, 6] });
		for (const [name, inner, nextProtocol] of PAYLOADS) {
			right.send(
				packet(vxlanGpe(), nsh({ ...at, nextProtocol }), inner),
				OVS,
				VXLAN_GPE_PORT,
			);
			const expected = packet(
				vxlanGpe(),
				nsh({
					spi: 2000,
					si: 199,
					ttl: 40,
					nextProtocol,
					metadata: { kind: "context", words: [9, 8, 7, 6] },
				}),
				inner,
			);
			assert.deepEqual((await left.next()).data, expected, name);
		}
	});

	test("as the host of a real function: decapsulates, and encapsulates what it returns", async () => {
		const at = { spi: 2500, si: 100 };
		const box = lab.host("function");
		await box.must(["ip", "link", "set", "in", "address", FUNCTION_MAC]);
		await box.must([
			"ip",
			"neigh",
			"add",
			"10.9.1.6",
			"lladdr",
			FAR.mac,
			"dev",
			"out",
		]);
		const inside = await node.attach("in", FUNCTION_MAC);
		const outside = await node.attach("out", FAR.mac);
		await node.proxy(at, inside, outside, { to: RIGHT });
		const inner = (ttl: number) =>
			packet(ipv4({ ...A, ttl }), udp({ sport: 1, dport: 6666 }), "routed");
		left.send(
			packet(vxlanGpe(), nsh({ ...at, nextProtocol: 1 }), inner(9)),
			OVS,
			VXLAN_GPE_PORT,
		);
		const { bytes } = await nextToPort6666();
		const expected = packet(
			vxlanGpe(),
			nsh({ spi: 2500, si: 99, nextProtocol: 1 }),
			inner(8),
		);
		assert.deepEqual(bytes, expected);
	});

	test("encapsulates a real host's packets, which src/wire reads", async () => {
		await node.encapsulate(client, {
			spi: 3000,
			si: 255,
			to: RIGHT,
			context: [1, 2, 3, 4],
		});
		const socket = await Datagrams.open(lab.host("client"), CLIENT.ip, 5555);
		socket.send(Buffer.from("from a client"), FAR.ip, 6666);
		const decoded = await nextToPort6666();
		assert.equal(decoded.stopped, undefined);
		assert.deepEqual(
			decoded.layers.map(({ kind }) => kind),
			["vxlan", "nsh", "ipv4", "udp"],
		);
		assert.deepEqual(layerOf(decoded, "nsh"), {
			version: 0,
			oam: false,
			unassignedBit: false,
			ttl: 63,
			length: 6,
			unassigned: 0,
			mdType: 1,
			nextProtocol: 1,
			spi: 3000,
			si: 255,
			metadata: { kind: "context", words: [1, 2, 3, 4] },
		});
		const ip = layerOf(decoded, "ipv4");
		assert.deepEqual([ip?.src, ip?.dst], [CLIENT.ip, FAR.ip]);
		assert.equal(layerOf(decoded, "udp")?.dport, 6666);
		assert.equal(decoded.payload.toString(), "from a client");
		assert.deepEqual(wrongChecksums(decoded), []);
		await socket.close();
	});

	test("encapsulates IPv6 with the next protocol that says so", async () => {
		await node.encapsulate(client, { spi: 3001, si: 255, to: RIGHT });
		const socket = await Datagrams.open(
			lab.host("client"),
			"2001:db8::1",
			5555,
		);
		socket.send(Buffer.from("six"), "2001:db8::2", 6666);
		const decoded = await nextToPort6666();
		assert.equal(layerOf(decoded, "nsh")?.nextProtocol, 2);
		assert.equal(layerOf(decoded, "ipv6")?.dst, "2001:db8::2");
		assert.equal(decoded.payload.toString(), "six");
		await socket.close();
	});

	test("decapsulates what src/wire builds and delivers it to a real host", async () => {
		const at = { spi: 4000, si: 253 };
		await node.deliver(at, client);
		const socket = await Datagrams.open(lab.host("client"), CLIENT.ip, 7777);
		const inner = packet(
			ipv4({ src: FAR.ip, dst: CLIENT.ip }),
			udp({ sport: 8888, dport: 7777 }),
			"to a client",
		);
		left.send(
			packet(vxlanGpe(), nsh({ ...at, nextProtocol: 1 }), inner),
			OVS,
			VXLAN_GPE_PORT,
		);
		const received = await socket.next();
		assert.deepEqual([received.from, received.port], [FAR.ip, 8888]);
		assert.equal(received.data.toString(), "to a client");
		await socket.close();
	});
});
