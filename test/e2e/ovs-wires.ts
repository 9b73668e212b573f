/**
 * What is seen on the wires around an Open vSwitch that forwards chains, and
 * what has to be seen there: byte for byte, made from what the hosts sent.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import type { Lab } from "../../lab/lab.js";
import type { End } from "../../lab/topology.js";
import {
	type Capture,
	decodeFile,
	startCapture,
} from "../../lab/traffic/capture.js";
import { flowHash, tupleBytes } from "../../src/plan/hash.js";
import { nsh, packet, vxlanGpe } from "../../src/wire/build.js";
import { checksum } from "../../src/wire/checksum.js";
import {
	type DecodedPacket,
	decodePacket,
	layerOf,
} from "../../src/wire/decode.js";
import type { Nsh, NshMetadata } from "../../src/wire/nsh.js";

/** From one address to another. */
export type Pair = readonly [src: string, dst: string];

/** One direction of a conversation, and all the wires it crosses. */
export interface Way {
	readonly spi: number;
	readonly pairs: readonly Pair[];
	/** At the host that sends, and at the one that receives. */
	readonly sent: Capture;
	readonly got: Capture;
	/** UDP port whose packets end at the first function. */
	readonly blocked: number;
	readonly wires: readonly Wire[];
	/** What every header says beside its place. */
	header(ip: Buffer): Partial<Nsh>;
	/** Nodes that route the packet till it arrives. */
	readonly routers: number;
}

/** A node's packets to another, at a place of the path. */
export interface Wire {
	readonly at: Capture;
	readonly ends: Pair;
	readonly si: number;
	readonly ttl: number;
	/** Functions behind it; each routes. */
	readonly functions: number;
}

/** Returns how many packets were sent, and how many of them passed the first function. */
export function assertCarried(way: Way): { sent: number; passed: number } {
	const { spi } = way;
	const sent = between(way.sent, way.pairs);
	const passed = sent.filter((ip) => !isBlocked(ip, way.blocked));
	for (const { at, ends, si, ttl, functions } of way.wires) {
		const packets = functions === 0 ? sent : passed;
		const expected = packets.map((ip) =>
			wrapped(routed(ip, functions), { ...way.header(ip), spi, si, ttl }),
		);
		const what = `path ${spi}, SI ${si}, ${ends.join(" > ")}`;
		assertSame(tunnelled(at, ends, { spi, si }), expected, what);
	}
	const arrived = passed.map((ip) => routed(ip, way.routers));
	assertSame(between(way.got, way.pairs), arrived, `path ${spi}, at its end`);
	return { sent: sent.length, passed: passed.length };
}

function isBlocked(ip: Buffer, dport: number): boolean {
	return layerOf(decodePacket(ip, "ip"), "udp")?.dport === dport;
}

/** Captures that run until they are stopped, one an end. */
export async function capture<const E extends readonly End[]>(
	lab: Lab,
	ends: E,
): Promise<{ readonly [I in keyof E]: Capture }> {
	const started = ends.map((end) => {
		const [host = "", name = ""] = end.split(":");
		return startCapture(lab.host(host), name, "ip or ip6", { longest: 2048 });
	});
	return (await Promise.all(started)) as { [I in keyof E]: Capture };
}

/** Until it holds: captures and OVS's counters are up to date a little later. */
export async function eventually(
	check: () => Promise<void> | void,
): Promise<void> {
	for (const deadline = Date.now() + 4000; ; await setTimeout(50))
		try {
			return await check();
		} catch (error) {
			if (Date.now() > deadline) throw error;
		}
}

/** IP packets, as bytes, that went from one host to the other. */
export function between(seen: Capture, pairs: readonly Pair[]): Buffer[] {
	return decodeFile(seen.file)
		.filter((one) => {
			const ip = layerOf(one, "ipv4") ?? layerOf(one, "ipv6");
			return pairs.some(([src, dst]) => ip?.src === src && ip.dst === dst);
		})
		.map((one) => payloadOf(one, "eth"));
}

/** What is in the UDP of VXLAN-GPE from one node to another at a place of a path. */
export function tunnelled(
	seen: Capture,
	[src, dst]: Pair,
	{ spi, si }: { readonly spi: number; readonly si: number },
): Buffer[] {
	return decodeFile(seen.file)
		.filter((one) => {
			const outer = layerOf(one, "ipv4");
			const header = layerOf(one, "nsh");
			return (
				outer?.src === src &&
				outer.dst === dst &&
				header?.spi === spi &&
				header.si === si
			);
		})
		.map((one) => payloadOf(one, "udp"));
}

function payloadOf(seen: DecodedPacket, kind: "eth" | "udp"): Buffer {
	const layer = seen.layers.find((one) => one.kind === kind);
	// An Ethernet frame may be padded: the IP header says where its packet ends.
	const inside = seen.layers.find((one) => one.offset === layer?.payload);
	return seen.bytes.subarray(layer?.payload, inside?.end);
}

/** An IP packet behind `times` routers. */
export function routed(ip: Buffer, times: number): Buffer {
	const out = Buffer.from(ip);
	if (out.readUInt8(0) >> 4 === 6) {
		out.writeUInt8(out.readUInt8(7) - times, 7);
		return out;
	}
	out.writeUInt8(out.readUInt8(8) - times, 8);
	out.writeUInt16BE(0, 10);
	out.writeUInt16BE(checksum(out.subarray(0, 20)), 10);
	return out;
}

/** An IP packet in NSH in VXLAN-GPE. */
export function wrapped(
	ip: Buffer,
	header: Partial<Nsh> & Pick<Nsh, "spi" | "si" | "ttl">,
): Buffer {
	const nextProtocol = ip.readUInt8(0) >> 4 === 6 ? 2 : 1;
	return packet(vxlanGpe(), nsh({ nextProtocol, ...header }), ip);
}

/** Context that a Chainmail node writes: tenant, the node, the flow's hash. */
export function ourContext(
	ip: Buffer,
	node: number,
	tenant: number,
): NshMetadata {
	const seen = decodePacket(ip, "ip");
	const outer = layerOf(seen, "ipv4") ?? layerOf(seen, "ipv6");
	const ports = layerOf(seen, "tcp") ?? layerOf(seen, "udp");
	const echo = layerOf(seen, "icmp") ?? layerOf(seen, "icmpv6");
	assert.ok(outer);
	const id = (echo?.rest ?? 0) >>> 16;
	const { src, dst, proto } = outer;
	const { sport, dport } = ports ?? { sport: id, dport: id };
	const hash = flowHash(tupleBytes({ src, dst, sport, dport, proto }));
	return { kind: "context", words: [tenant, node, hash, 0] };
}

/** Byte for byte; packets of different CPUs may have overtaken each other. */
export function assertSame(
	actual: readonly Buffer[],
	expected: readonly Buffer[],
	what: string,
): void {
	const texts = (packets: readonly Buffer[]) =>
		packets.map((one) => one.toString("hex")).sort();
	assert.deepEqual(texts(actual), texts(expected), what);
}

/** Packets of a capture by what tshark reads in their NSH. */
export function tsharkReads(file: string): Record<string, number> {
	const fields = ["nsh.ttl", "nsh.mdtype", "nsh.spi", "nsh.si"];
	const { stdout, stderr } = spawnSync(
		"tshark",
		[
			...["-n", "-r", file, "-Y", "nsh", "-T", "fields"],
			...fields.flatMap((field) => ["-e", field]),
		],
		{ encoding: "utf8" },
	);
	const lines = stdout.split("\n").filter((line) => line !== "");
	assert.ok(lines.length > 0, stderr);
	const counts: Record<string, number> = {};
	for (const line of lines) {
		const [ttl, type, spi, si] = line.split("\t").map(Number);
		const text = `ttl ${ttl}, MD type ${type}, SPI ${spi}, SI ${si}`;
		counts[text] = (counts[text] ?? 0) + 1;
	}
	return counts;
}
