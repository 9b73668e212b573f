/**
 * Packets a second at full rate: trafgen sends ready-made frames past the
 * sender's stack; the receiving interface counts and nftables discards them.
 */
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eth, ipv4, packet, udp } from "../../src/wire/build.js";
import type { Host } from "../lab.js";

export interface PacketRateOptions {
	readonly from: Host;
	readonly fromInterface: string;
	readonly to: Host;
	readonly toInterface: string;
	/** IPv4 addresses of the packets. */
	readonly src: string;
	readonly dst: string;
	/** First router on the way, or the receiver itself; has to answer ARP. */
	readonly gateway: string;
	/** Bytes of the frame without its checksum (default 60: 64 on a wire). */
	readonly frameSize?: number;
	/** Flows, by source port (default 8). */
	readonly flows?: number;
	/** Seconds measured after a warm-up (default 1). */
	readonly seconds?: number;
}

export interface PacketRate {
	readonly sentPerSecond: number;
	readonly receivedPerSecond: number;
}

/** Ethernet 14, IPv4 20, UDP 8. */
const HEADERS = 42;
const WARM_UP_MS = 300;
/** Where nobody is left to end it. */
const LONGEST_S = 30;
const FIRST_PORT = 20_000;
const TABLE = "chainmail_rate";

export async function packetRate(
	options: PacketRateOptions,
): Promise<PacketRate> {
	const { from, to, seconds = 1 } = options;
	const file = join(
		tmpdir(),
		`chainmail-${from.lab.run}-${randomBytes(6).toString("hex")}.rate`,
	);
	from.lab.removeWithLab(file);
	await to.must(["nft", "-f", "-"], {
		input: `table inet ${TABLE} { chain c { type filter hook prerouting priority -400; ip daddr ${options.dst} udp dport 9 drop; }; }`,
	});
	try {
		writeFileSync(file, await trafgenConfig(options), { mode: 0o600 });
		/* Its workers end only when the whole process group is told to. */
		const sender = from.start([
			"timeout",
			String(LONGEST_S + seconds),
			"trafgen",
			"--dev",
			options.fromInterface,
			"--conf",
			file,
			"--cpus",
			"1",
			"--no-sock-mem",
			"--qdisc-path",
		]);
		await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
		const before = await sample(options);
		await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
		const after = await sample(options);
		if (!sender.running)
			throw new Error(
				`trafgen: ended early: ${sender.stderr.slice(-500)}${sender.stdout.slice(-500)}`,
			);
		await sender.stop("SIGINT");
		const elapsed = (after.timeMs - before.timeMs) / 1000;
		return {
			sentPerSecond: (after.sent - before.sent) / elapsed,
			receivedPerSecond: (after.received - before.received) / elapsed,
		};
	} finally {
		rmSync(file, { force: true });
		await to.run(["nft", "delete", "table", "inet", TABLE]);
	}
}

/** Frames in trafgen's own notation, one a flow. */
async function trafgenConfig(options: PacketRateOptions): Promise<string> {
	const [src, dst] = await Promise.all([
		macOf(options.from, options.fromInterface),
		neighbour(options.from, options.gateway),
	]);
	const payload = Buffer.alloc((options.frameSize ?? 60) - HEADERS);
	const frames = Array.from({ length: options.flows ?? 8 }, (_, flow) =>
		packet(
			eth({ src, dst }),
			ipv4({ src: options.src, dst: options.dst }),
			udp({ sport: FIRST_PORT + flow, dport: 9 }),
			payload,
		),
	);
	return frames
		.map(
			(frame) =>
				`{ ${[...frame].map((byte) => `0x${byte.toString(16)}`).join(", ")} }\n`,
		)
		.join("");
}

async function sample(options: PacketRateOptions) {
	const [sent, received] = await Promise.all([
		linkStats(options.from, options.fromInterface),
		linkStats(options.to, options.toInterface),
	]);
	return {
		timeMs: performance.now(),
		sent: sent.tx.packets,
		received: received.rx.packets,
	};
}

interface LinkJson {
	readonly address: string;
	readonly stats64: {
		readonly rx: { readonly packets: number };
		readonly tx: { readonly packets: number };
	};
}

async function linkOf(host: Host, name: string): Promise<LinkJson> {
	const output = await host.must(["ip", "-j", "-s", "link", "show", name]);
	const [link] = JSON.parse(output) as LinkJson[];
	if (link === undefined)
		throw new Error(`ip link: no ${name} in ${host.name}`);
	return link;
}

/** What an interface has received and sent. */
export async function linkStats(host: Host, name: string) {
	return (await linkOf(host, name)).stats64;
}

/** MAC address of a host's interface. */
export async function macOf(host: Host, name: string): Promise<string> {
	return (await linkOf(host, name)).address;
}

/** MAC address of a neighbour, asked for by a ping. */
export async function neighbour(host: Host, address: string): Promise<string> {
	await host.run(["ping", "-n", "-q", "-c", "1", "-W", "1", address]);
	const output = await host.must(["ip", "-j", "neigh", "show", address]);
	const [entry] = JSON.parse(output) as { lladdr?: string }[];
	if (entry?.lladdr === undefined)
		throw new Error(
			`packet rate: ${address} does not answer ARP (is it a neighbour of ${host.name}?)`,
		);
	return entry.lladdr;
}
