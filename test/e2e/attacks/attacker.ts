/** The router between the nodes: it reads, holds back and sends whatever it likes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Host, Lab } from "../../../lab/lab.js";
import { type Capture, startCapture } from "../../../lab/traffic/capture.js";
import { RawSocket } from "../../../src/kernel/rawsocket.js";
import type { BuildLayer } from "../../../src/wire/build.js";
import { EtherType } from "../../../src/wire/ethernet.js";
import { readPcap } from "../../../src/wire/pcap.js";
import { until } from "../until.js";
import { at } from "./star.js";

/** Frames of heartbeats are shorter, those of users' packets longer. */
const USER_BYTES = 150;
const HOLD_BACK = `table ip attack {
	chain forward {
		type filter hook forward priority filter
		ip saddr ${at.in} udp dport 4790 meta length > ${USER_BYTES} drop
	}
}
`;
const MACS = 12;

export async function macAt(host: Host, name: string): Promise<string> {
	const text = await host.must(["ip", "-j", "link", "show", "dev", name]);
	const [link] = JSON.parse(text) as { address: string }[];
	assert.ok(link);
	return link.address;
}

export class Attacker {
	readonly #host: Host;
	readonly #capture: Capture;
	readonly #macs: Buffer;
	readonly #toOut: RawSocket;
	#read = 0;

	private constructor(host: Host, capture: Capture, macs: Buffer) {
		this.#host = host;
		this.#capture = capture;
		this.#macs = macs;
		this.#toOut = new RawSocket("out", host.netns);
	}

	/** Sees from now on what node `in` sends of users' packets to node `out`. */
	static async open(lab: Lab): Promise<Attacker> {
		const host = lab.host("evil");
		const seen = `src ${at.in} and dst ${at.out} and udp dst port 4790 and greater ${USER_BYTES}`;
		const capture = await startCapture(host, "in", seen);
		const macs = [
			await macAt(lab.host("out"), "up"),
			await macAt(host, "out"),
		].map((mac) => Buffer.from(mac.replaceAll(":", ""), "hex"));
		return new Attacker(host, capture, Buffer.concat(macs));
	}

	/** The next frame that was not taken yet, as it would go on to `out`. */
	async next(): Promise<Buffer> {
		let frame: Uint8Array | undefined;
		await until("a packet is seen", () => {
			frame = this.#seen()[this.#read];
			return frame !== undefined;
		});
		assert.ok(frame);
		this.#read++;
		return Buffer.concat([this.#macs, frame.subarray(MACS)]);
	}

	/** Forgets what was not taken. */
	skip(): void {
		this.#read = this.#seen().length;
	}

	/** Users' packets go no further until `letGo`. */
	async holdBack(): Promise<void> {
		await this.#host.must(["nft", "-f", "-"], { input: HOLD_BACK });
	}

	async letGo(): Promise<void> {
		await this.#host.must(["nft", "delete", "table", "ip", "attack"]);
	}

	/** Sends frames to `out`. */
	send(...frames: readonly Uint8Array[]): void {
		for (const frame of frames)
			assert.ok(this.#toOut.send(frame), "its queue is full");
	}

	async close(): Promise<void> {
		this.#toOut.close();
		await this.#capture.stop();
	}

	#seen(): Uint8Array[] {
		return readPcap(readFileSync(this.#capture.file)).packets.map(
			({ data }) => data,
		);
	}
}

/** One copy of a frame for each of these bits, which is the other way round there. */
export function flipped(
	frame: Uint8Array,
	from: number,
	to: number,
	bits = 0xff,
): Buffer[] {
	const masks = [1, 2, 4, 8, 16, 32, 64, 128].filter((mask) => mask & bits);
	return Array.from({ length: to - from }, (_, i) =>
		masks.map((mask) => changed(frame, from + i, mask)),
	).flat();
}

/** A copy with these bits of a byte the other way round. */
export function changed(frame: Uint8Array, at: number, mask: number): Buffer {
	const copy = Buffer.from(frame);
	copy.writeUInt8(copy.readUInt8(at) ^ mask, at);
	return copy;
}

/** A copy with other bytes at `offset`. */
export function patched(
	frame: Uint8Array,
	...patches: readonly (readonly [offset: number, bytes: Uint8Array])[]
): Buffer {
	const copy = Buffer.from(frame);
	for (const [offset, bytes] of patches) copy.set(bytes, offset);
	return copy;
}

/** A whole IPv4 packet as what follows Ethernet. */
export function ip(bytes: Uint8Array): BuildLayer {
	return { etherType: EtherType.ipv4, header: () => Buffer.from(bytes) };
}
