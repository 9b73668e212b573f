/**
 * What an EF's namespace needs for the kernel to encrypt: an interface that gives
 * its packets to policies, both ends of the one tunnel the kernel knows, and the
 * programs that put the real addresses in their place (bpf/xfrm.bpf.c).
 */
import { attachProgram } from "../../kernel/attach.js";
import { KernelError } from "../../kernel/error.js";
import { built } from "../../kernel/installation.js";
import { deleteLink, ipBatch } from "../../kernel/ip.js";
import { ifindexOf } from "../../kernel/netns.js";
import { BpfObject } from "../../kernel/object.js";
import { setSysctl } from "../../kernel/sysctl.js";
import {
	MAPS,
	XFRM_LOCAL,
	XFRM_REMOTE,
	type XfrmSide,
} from "../../kernel/xfrm-layout.gen.js";
import { formatAddress, formatMac } from "../../wire/address.js";
import type { EfSide } from "./core.js";

export type NamedSide = EfSide & { readonly interface: string };

export interface XfrmSides {
	readonly netns?: string;
	readonly inside: NamedSide;
	readonly outside: NamedSide;
}

/** Of the interface that encrypts, in states and policies. */
export const TUNNEL_ID = 1;
const TUNNEL = "xfrm0";
const OBJECT = built("bpf/xfrm.bpf.o");
/** The programs check what fits: no packet is to be too long for this one. */
const TUNNEL_MTU_BYTES = 65_000;

/** Prepares the namespace; frames are dealt with from then on. */
export async function openNetwork(sides: XfrmSides): Promise<BpfObject> {
	const { netns, inside, outside } = sides;
	const index = (name: string): number => {
		const found = ifindexOf(name, netns);
		if (found !== undefined) return found;
		throw new KernelError(
			`encrypt on ${name}`,
			"no such interface",
			"ip link show",
		);
	};
	const [insideIndex, outsideIndex] = [inside, outside].map((side) =>
		index(side.interface),
	) as [number, number];
	await deleteLink(TUNNEL, netns);
	await makeTunnel(sides);
	const object = BpfObject.open(OBJECT);
	try {
		object.map(MAPS.xfrmSetup).set(0, {
			inside: sideOf(inside, insideIndex),
			outside: sideOf(outside, outsideIndex),
			tunnelIfindex: index(TUNNEL),
		});
		/* What leaves is guarded before anything can. */
		for (const [program, ifindex, direction] of [
			["xfrm_sealed", outsideIndex, "egress"],
			["xfrm_open", outsideIndex, "ingress"],
			["xfrm_seal", insideIndex, "ingress"],
		] as const)
			attachProgram({
				...(netns !== undefined && { netns }),
				programFd: object.program(program).fd,
				ifindex,
				direction,
				/* A filter outlives this process, and guards what it leaves behind. */
				forceClsact: true,
				pinPath: "",
			});
		return object;
	} catch (error) {
		object.close();
		throw error;
	}
}

/** Nothing is encrypted or decrypted afterwards; the programs let nothing else pass. */
export async function closeNetwork({ netns }: XfrmSides): Promise<void> {
	await deleteLink(TUNNEL, netns);
}

function sideOf(side: NamedSide, ifindex: number): XfrmSide {
	const { dst, src, mtuBytes } = side;
	return { dst, src, mtuBytes, ifindex };
}

async function makeTunnel({ netns, outside }: XfrmSides): Promise<void> {
	const [local, remote] = [XFRM_LOCAL, XFRM_REMOTE].map((address) => {
		const bytes = Buffer.alloc(4);
		bytes.writeUInt32BE(address);
		return formatAddress(bytes);
	}) as [string, string];
	const dev = outside.interface;
	const id = String(TUNNEL_ID);
	await ipBatch(
		[
			["link", "set", "dev", "lo", "up"],
			["link", "add", TUNNEL, "type", "xfrm", "dev", "lo", "if_id", id],
			["address", "replace", `${local}/32`, "dev", "lo"],
			["route", "replace", `${remote}/32`, "dev", dev, "src", local],
			[
				...["neighbour", "replace", remote, "dev", dev],
				...["lladdr", formatMac(outside.dst), "nud", "permanent"],
			],
		],
		netns,
	);
	/* Without IPv6 of its own the interface would take no IPv6 packet. */
	for (const [key, value] of [
		[`ipv6/conf/${TUNNEL}/addr_gen_mode`, 1],
		[`ipv6/conf/${TUNNEL}/disable_ipv6`, 0],
		["ipv4/conf/all/rp_filter", 0],
		[`ipv4/conf/${dev}/rp_filter`, 0],
	] as const)
		setSysctl(key, value, netns);
	await ipBatch(
		[
			["link", "set", "dev", TUNNEL, "mtu", String(TUNNEL_MTU_BYTES), "up"],
			["route", "replace", "default", "dev", TUNNEL],
		],
		netns,
		6,
	);
}
