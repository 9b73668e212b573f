/** EFs in namespaces of a guest, and the taps on both sides of one. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { NamedSide } from "../../../src/functions/ef/xfrm-network.js";
import { ensureVeth, ipBatch } from "../../../src/kernel/ip.js";
import { deleteNetns, ensureNetns } from "../../../src/kernel/netns.js";
import { setSysctl } from "../../../src/kernel/sysctl.js";
import { parseMac } from "../../../src/wire/address.js";
import {
	eth,
	ipv4,
	nsh,
	packet,
	raw,
	udp,
	vxlanGpe,
} from "../../../src/wire/build.js";
import { NshNext } from "../../../src/wire/nsh.js";

export const INSIDE_MTU_BYTES = 1600;
export const OUTSIDE_MTU_BYTES = 1800;
/** Emulated machines are slow, not broken. */
const DEADLINE_MS = 20_000;

export const MACS = {
	ef: "02:00:00:00:00:01",
	other: "02:00:00:00:00:02",
} as const;

/** A namespace of an EF and one with the other ends of its interfaces. */
export class EfLine {
	readonly ef = `ef-${randomBytes(3).toString("hex")}`;
	readonly ends = `ends-${randomBytes(3).toString("hex")}`;

	async build(): Promise<void> {
		for (const name of [this.ef, this.ends]) {
			await ensureNetns(name);
			for (const scope of ["all", "default"])
				setSysctl(`ipv6/conf/${scope}/disable_ipv6`, 1, name);
		}
		for (const [side, mtu] of [
			["inside", INSIDE_MTU_BYTES],
			["outside", OUTSIDE_MTU_BYTES],
		] as const)
			await ensureVeth(
				{ name: side, netns: this.ef, mac: MACS.ef },
				{ name: side, netns: this.ends, mac: MACS.other },
				mtu,
			);
		/* Nothing is said of its own accord. */
		await ipBatch(
			["inside", "outside"].map((dev) => [
				...["link", "set", "dev", dev, "arp", "off"],
			]),
			this.ends,
		);
	}

	/** What the engine is opened with. */
	get sides(): { netns: string; inside: NamedSide; outside: NamedSide } {
		const [src, dst] = [parseMac(MACS.ef), parseMac(MACS.other)];
		const side = (name: string, mtuBytes: number) => {
			return { interface: name, src, dst, mtuBytes };
		};
		return {
			netns: this.ef,
			inside: side("inside", INSIDE_MTU_BYTES),
			outside: side("outside", OUTSIDE_MTU_BYTES),
		};
	}

	async remove(): Promise<void> {
		for (const name of [this.ef, this.ends]) await deleteNetns(name);
	}
}

/** A packet in the headers of a path; 60 bytes behind Ethernet. */
export function framed(inner: Buffer, path = 0): Buffer {
	const nextProtocol = (inner[0] ?? 0) >> 4 === 6 ? NshNext.ipv6 : NshNext.ipv4;
	return packet(
		eth({ dst: MACS.ef, src: MACS.other }),
		ipv4({ src: "198.51.100.1", dst: "198.51.100.2", dontFragment: true }),
		udp({ sport: 50_000, dport: 4790, checksum: 0 }),
		vxlanGpe(),
		nsh({
			spi: path >>> 8,
			si: path & 0xff,
			nextProtocol,
			metadata: { kind: "context", words: [1, 2, 0xdeadbeef, 4] },
		}),
		raw(inner),
	);
}

export const HEADERS_BYTES = 14 + 60;

export async function until(
	what: string,
	holds: () => Promise<boolean> | boolean,
): Promise<void> {
	const deadline = Date.now() + DEADLINE_MS;
	while (!(await holds())) {
		if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
		await delay(1);
	}
}
