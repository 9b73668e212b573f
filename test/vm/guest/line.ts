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

/** An EF's namespace, and where the other end of each of its interfaces is. */
export class EfPlace {
	constructor(readonly netns = `ef-${randomBytes(3).toString("hex")}`) {}

	/** What an engine is opened with. */
	get sides(): {
		readonly netns: string;
		readonly inside: NamedSide;
		readonly outside: NamedSide;
	} {
		const [src, dst] = [parseMac(MACS.ef), parseMac(MACS.other)];
		const side = (name: string, mtuBytes: number) => {
			return { interface: name, src, dst, mtuBytes };
		};
		return {
			netns: this.netns,
			inside: side("inside", INSIDE_MTU_BYTES),
			outside: side("outside", OUTSIDE_MTU_BYTES),
		};
	}
}

/** Namespaces of a test, in which nobody says a word of his own accord. */
export class Wiring {
	readonly ends = `ends-${randomBytes(3).toString("hex")}`;
	readonly #made: string[] = [];

	async namespace(name: string): Promise<void> {
		this.#made.push(name);
		await ensureNetns(name);
		for (const scope of ["all", "default"])
			setSysctl(`ipv6/conf/${scope}/disable_ipv6`, 1, name);
	}

	/** Joins an EF's side to an interface of `ends`, or of another namespace. */
	async join(
		place: EfPlace,
		side: "inside" | "outside",
		name: string,
		netns = this.ends,
	): Promise<void> {
		const mtu = side === "inside" ? INSIDE_MTU_BYTES : OUTSIDE_MTU_BYTES;
		await ensureVeth(
			{ name: side, netns: place.netns, mac: MACS.ef },
			{ name, netns, mac: MACS.other },
			mtu,
		);
		await ipBatch([["link", "set", "dev", name, "arp", "off"]], netns);
	}

	async remove(): Promise<void> {
		for (const name of this.#made) await deleteNetns(name);
	}
}

/** Made when it is first asked for: a file must register its tests at once. */
export function lazily<T>(make: () => Promise<T>): () => Promise<T> {
	let made: Promise<T> | undefined;
	return () => {
		made ??= make();
		return made;
	};
}

/** An EF's namespace, both sides of which lead to interfaces of `ends`. */
export async function oneEf(wiring: Wiring): Promise<EfPlace> {
	const place = new EfPlace();
	for (const name of [place.netns, wiring.ends]) await wiring.namespace(name);
	for (const side of ["inside", "outside"] as const)
		await wiring.join(place, side, side);
	return place;
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
