import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { captures, dataTest } from "../../test/data.js";
import { Random, REPLAY, SEED } from "../../test/random.js";
import { DecodeError } from "./bytes.js";
import { type DecodedPacket, decodePacket, layerOf } from "./decode.js";
import { describe } from "./describe.js";
import { encodeLayer } from "./encode.js";
import type { Nsh } from "./nsh.js";
import { firstLayerOf, readPcap, writePcap } from "./pcap.js";
import { wrongChecksums } from "./verify.js";

function firstPacket(file: string): DecodedPacket {
	const [packet] = readPcap(readFileSync(file)).packets;
	assert.ok(packet, file);
	return decodePacket(packet.data);
}

/** The NSH of tcpdump -vvv, as far as it prints it. */
function tcpdumpNsh(text: string) {
	const line =
		/NSH, ver (\d), flags \[(\w+)\], TTL (\d+), length (\d+), md type (\d+), next-protocol (\w+), service-path-id (0x\w+), service-index (0x\w+)/.exec(
			text,
		);
	assert.ok(line, "no NSH line");
	const [, version, flags, ttl, length, mdType, next, spi, si] = line;
	return {
		version: Number(version),
		oam: flags === "O",
		ttl: Number(ttl),
		length: Number(length),
		mdType: Number(mdType),
		nextProtocol: { IPv4: 1, IPv6: 2, Ethernet: 3, NSH: 4 }[next ?? ""],
		spi: Number(spi),
		si: Number(si),
		context: matches(text, /Context\[\d+\]: (0x\w+)/g).map(Number),
		tlvs: matches(text, /TLV Class (\d+, Type \d+, Len \d+)/g),
	};
}

function matches(text: string, pattern: RegExp): string[] {
	return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

function asTcpdumpSaysIt(header: Nsh) {
	const { version, oam, ttl, length, mdType, nextProtocol, spi, si, metadata } =
		header;
	return {
		version,
		oam,
		ttl,
		length,
		mdType,
		nextProtocol,
		spi,
		si,
		context: metadata.kind === "context" ? [...metadata.words] : [],
		tlvs:
			metadata.kind === "tlvs"
				? metadata.tlvs.map(
						(tlv) => `${tlv.class}, Type ${tlv.type}, Len ${tlv.value.length}`,
					)
				: [],
	};
}

for (const name of ["nsh", "nsh-over-vxlan-gpe"]) {
	dataTest(`${name}: reads what tcpdump reads`, (data) => {
		const text = readFileSync(join(data, "nsh", `${name}-vvv.out`), "utf8");
		const packet = firstPacket(join(data, "nsh", `${name}.pcap`));
		const header = layerOf(packet, "nsh");
		assert.ok(header);
		assert.deepEqual(asTcpdumpSaysIt(header), tcpdumpNsh(text));
		const inner = /(\S+)\.(\d+) > (\S+)\.(\d+): [^:]*UDP, length (\d+)/.exec(
			text,
		);
		const ip = layerOf(packet, "ipv4", -1);
		const udp = layerOf(packet, "udp", -1);
		assert.deepEqual(
			[
				ip?.src,
				String(udp?.sport),
				ip?.dst,
				String(udp?.dport),
				String(packet.payload.length),
			],
			inner?.slice(1),
		);
		assert.equal(
			Number(/vni (\d+)/.exec(text)?.[1] ?? -1),
			layerOf(packet, "vxlan")?.vni ?? -1,
		);
	});
}

/** Every NSH of a tshark text, in the order of the file. */
function tsharkNsh(text: string) {
	const sections = text.split("\nNetwork Service Header\n").slice(1);
	return sections.map((rest) => {
		const section = rest.split(/\n(?! )/)[0] ?? "";
		const one = (pattern: RegExp) => Number(pattern.exec(section)?.[1]);
		const all = (pattern: RegExp) => matches(section, pattern);
		return {
			version: one(/Version: (\d)/),
			oam: one(/O Bit: (\d)/) === 1,
			unassignedBit: one(/C Bit: (\d)/) === 1,
			ttl: one(/Time to live: (0x\w+)/),
			length: one(/= Length: (\d+) \(0x/),
			mdType: one(/MD Type: (\d+)/),
			nextProtocol: one(/Next Protocol: \w+ \((\d+)\)/),
			spi: one(/SPI: (\d+)/),
			si: one(/SI: (\d+)/),
			context: all(/Context Header: (\w+)/g),
			tlvs: all(/TLV Class: (\d+)/g).map((tlvClass, i) => [
				tlvClass,
				String(Number(all(/\n {4}Type: (\d+)/g)[i])),
				all(/Variable Metadata: (\w+)/g)[i],
			]),
		};
	});
}

function asTsharkSaysIt(header: Nsh) {
	const {
		version,
		oam,
		unassignedBit,
		ttl,
		length,
		mdType,
		nextProtocol,
		spi,
		si,
		metadata,
	} = header;
	return {
		version,
		oam,
		unassignedBit,
		ttl,
		length,
		mdType,
		nextProtocol,
		spi,
		si,
		context:
			metadata.kind === "context"
				? metadata.words.map((word) => word.toString(16).padStart(8, "0"))
				: [],
		tlvs:
			metadata.kind === "tlvs"
				? metadata.tlvs.map((tlv) => [
						String(tlv.class),
						String(tlv.type),
						Buffer.from(tlv.value).toString("hex"),
					])
				: [],
	};
}

for (const [capture, text] of [
	["nsh", "pcap_tcpdump-tests_nsh"],
	["nsh-over-vxlan-gpe", "pcap_tcpdump-tests_nsh-over-vxlan-gpe"],
	["scapy-headers-in-eth", "vectors_nsh_scapy-headers-in-eth"],
]) {
	dataTest(`${capture}: reads what tshark reads`, (data) => {
		const said = tsharkNsh(
			readFileSync(join(data, "nsh", `${text}.tshark-4.0.17.txt`), "utf8"),
		);
		const { packets } = readPcap(
			readFileSync(join(data, "nsh", `${capture}.pcap`)),
		);
		const read = packets.flatMap((packet) =>
			decodePacket(packet.data).layers.flatMap((layer) =>
				layer.kind === "nsh" ? [asTsharkSaysIt(layer.header)] : [],
			),
		);
		assert.ok(said.length > 0);
		assert.deepEqual(read, said);
	});
}

dataTest("every header of every capture encodes to its own bytes", (data) => {
	let headers = 0;
	for (const file of captures(data)) {
		const { linkType, packets } = readPcap(readFileSync(file));
		const first = firstLayerOf(linkType);
		if (!first) continue;
		for (const [i, packet] of packets.entries()) {
			const decoded = decodePacket(packet.data, first);
			for (const layer of decoded.layers) {
				headers++;
				assert.deepEqual(
					encodeLayer(layer),
					decoded.bytes.subarray(layer.offset, layer.payload),
					`${relative(data, file)} packet ${i + 1} ${layer.kind}`,
				);
			}
		}
	}
	assert.ok(headers > 1000, `only ${headers} headers`);
});

dataTest("malformed captures decode as far as they go", (data) => {
	const files = captures(join(data, "malformed"));
	assert.ok(files.length > 0);
	for (const file of files) {
		const pcap = readPcap(readFileSync(file));
		for (const packet of pcap.packets) {
			assert.equal(typeof describe(decodeAnything(packet.data)), "string");
		}
	}
});

dataTest("mutations of every capture never throw", (data) => {
	const random = new Random(SEED);
	let stopped = 0;
	for (const file of captures(data)) {
		const { packets } = readPcap(readFileSync(file));
		for (const packet of packets.slice(0, 40)) {
			for (let i = 0; i < 10; i++) {
				const bytes = mutate(packet.data, random);
				try {
					if (decodeAnything(bytes).stopped) stopped++;
				} catch (error) {
					assert.fail(`${REPLAY} ${file}, ${bytes.toString("hex")}: ${error}`);
				}
			}
		}
	}
	assert.ok(
		stopped > 100,
		`${REPLAY}: only ${stopped} mutations stopped the walk`,
	);
});

/** Decodes, prints and checks as each kind of first layer. */
function decodeAnything(bytes: Buffer): DecodedPacket {
	for (const first of ["ip", "nsh", "vxlan", "gre"] as const) {
		const decoded = decodePacket(bytes, first);
		describe(decoded);
		wrongChecksums(decoded);
	}
	const decoded = decodePacket(bytes);
	describe(decoded);
	wrongChecksums(decoded);
	assert.ok(
		decoded.stopped === undefined || decoded.stopped instanceof DecodeError,
	);
	return decoded;
}

/** Flips bits mostly in the headers, or cuts the packet. */
function mutate(data: Buffer, random: Random): Buffer {
	const copy = Buffer.from(data);
	const flips = 1 + random.below(4);
	for (let i = 0; i < flips && copy.length > 0; i++)
		copy[random.below(Math.min(copy.length, 100))] = random.below(256);
	return random.chance(30) ? copy.subarray(0, random.below(copy.length)) : copy;
}

test("pcap: both byte orders and both time units", () => {
	const data = Buffer.from("0011223344", "hex");
	const written = writePcap([
		{ time: 1_000_000_123n, data },
		{ time: 5n, data },
	]);
	const read = readPcap(written);
	assert.equal(read.linkType, 1);
	assert.deepEqual(
		read.packets.map(({ time }) => time),
		[1_000_000_123n, 5n],
	);
	assert.deepEqual(
		read.packets.map((packet) => packet.data),
		[data, data],
	);
	assert.equal(read.stopped, undefined);

	const big = Buffer.alloc(24 + 16 + 2);
	for (const [i, word] of [
		0xa1b2c3d4, 0x00020004, 0, 0, 65535, 101, 7, 9, 2, 60,
	].entries()) {
		big.writeUInt32BE(word, 4 * i);
	}
	const other = readPcap(big);
	assert.equal(other.linkType, 101);
	assert.deepEqual(other.packets, [
		{ time: 7_000_009_000n, originalLength: 60, data: Buffer.alloc(2) },
	]);

	const cut = readPcap(written.subarray(0, -1));
	assert.equal(cut.packets.length, 1);
	assert.match(cut.stopped?.message ?? "", /ends inside a record/);
	assert.throws(() => readPcap(Buffer.alloc(23)), DecodeError);
	assert.throws(() => readPcap(Buffer.alloc(24)), /not classic pcap/);
});
