/**
 * The network of a node's encryption function (EF): a namespace that forwards
 * nothing, and two veth pairs into it. Nothing on them says a word by itself.
 */
import { type IpCommand, ipBatch, type Link, links } from "../../kernel/ip.js";
import { ensureNetns } from "../../kernel/netns.js";
import { run } from "../../kernel/process.js";
import { getSysctl, setSysctl } from "../../kernel/sysctl.js";
import { EF_MACS, EF_SIDES, type EfSideName, efHostEnd } from "../names.js";
import { quietUp } from "../process/links.js";
import type { Attachment } from "../runtime.js";
import type { EfSideConfig } from "./config.js";

export interface EfPlace {
	/** Namespace of the node; that of this process where undefined. */
	readonly node: string | undefined;
	readonly namespace: string;
	/** Longest frame without its Ethernet header, on both sides. */
	readonly mtuBytes: number;
	/** An engine reads frames off the interfaces: no stack is to look at them. */
	readonly isTapped: boolean;
}

/** Host ends of both sides, as the data plane needs them. */
export type EfEnds = Readonly<Record<EfSideName, Attachment>>;

const SILENT = {
	"ipv4/ip_forward": "0",
	"ipv6/conf/all/disable_ipv6": "1",
	"ipv6/conf/default/disable_ipv6": "1",
};

/** Makes what is missing, down; `isNew`: an engine that runs has lost an interface. */
export async function makeEfPairs(
	place: EfPlace,
): Promise<{ readonly ends: EfEnds; readonly isNew: boolean }> {
	const { node, namespace } = place;
	await ensureNetns(namespace);
	for (const [key, value] of Object.entries(SILENT))
		if (getSysctl(key, namespace) !== value) setSysctl(key, value, namespace);
	const [inner, outer] = [await links(namespace), await links(node)];
	const missing = EF_SIDES.filter(
		(side) =>
			!isThere(inner, side, EF_MACS[side].ef) ||
			!isThere(outer, efHostEnd(side), EF_MACS[side].host),
	);
	await ipBatch(
		missing.flatMap((side): IpCommand[] => [
			...removal(outer, efHostEnd(side)),
			pair(side, place),
		]),
		node,
	);
	const present = await links(node);
	return {
		ends: {
			inside: endOf("inside", present, place),
			outside: endOf("outside", present, place),
		},
		isNew: missing.length > 0,
	};
}

/**
 * Brings the pairs up. The kernel segments super-packets and fills checksums in
 * on their way into the EF, which encrypts what is finished alone.
 */
export async function openEfPairs(place: EfPlace): Promise<void> {
	const { node, namespace, mtuBytes } = place;
	for (const side of EF_SIDES) {
		const end = efHostEnd(side);
		await run(["ethtool", "-K", end, ...UNFINISHED_OFF], { netns: node });
		setSysctl(`ipv6/conf/${end}/disable_ipv6`, "1", node);
	}
	await ipBatch(
		EF_SIDES.map((side) => quietUp(efHostEnd(side), mtuBytes)),
		node,
	);
	await ipBatch(
		EF_SIDES.map((side) => quietUp(side, mtuBytes)),
		namespace,
	);
}

/** Nothing comes out of the EF any more, until openEfPairs(). */
export async function closeEfPairs(node: string | undefined): Promise<void> {
	const names = EF_SIDES.map(efHostEnd);
	const present = (await links(node)).filter((one) =>
		names.includes(one.ifname),
	);
	await ipBatch(
		present.map(({ ifname }) => ["link", "set", "dev", ifname, "down"]),
		node,
	);
}

const UNFINISHED_OFF = [
	"tx",
	"off",
	"tso",
	"off",
	"tx-udp-segmentation",
	"off",
];

/** What the engine is told of its sides. */
export function efSides(
	mtuBytes: number,
): Readonly<Record<EfSideName, EfSideConfig>> {
	const of = (side: EfSideName): EfSideConfig => ({
		interface: side,
		src: EF_MACS[side].ef,
		dst: EF_MACS[side].host,
		mtuBytes,
	});
	return { inside: of("inside"), outside: of("outside") };
}

function isThere(present: readonly Link[], name: string, mac: string): boolean {
	return present.some((link) => link.ifname === name && link.address === mac);
}

/** A host end of a pair whose other end is gone, or is not as it must be. */
function removal(present: readonly Link[], name: string): IpCommand[] {
	return present.some(({ ifname }) => ifname === name)
		? [["link", "del", "dev", name]]
		: [];
}

function pair(side: EfSideName, { namespace, mtuBytes }: EfPlace): IpCommand {
	const { ef, host } = EF_MACS[side];
	const mtu = ["mtu", String(mtuBytes)];
	return [
		...["link", "add", efHostEnd(side), "address", host, ...mtu],
		...["type", "veth", "peer", "name", side, "address", ef, ...mtu],
		...["netns", namespace],
	];
}

function endOf(
	side: EfSideName,
	present: readonly Link[],
	{ isTapped }: EfPlace,
): Attachment {
	const name = efHostEnd(side);
	const ifindex = present.find(({ ifname }) => ifname === name)?.ifindex;
	if (ifindex === undefined)
		throw new Error(
			`encryption function: ${name} is gone (was it removed by hand meanwhile?)`,
		);
	const { ef, tap, host } = EF_MACS[side];
	const functionMac = isTapped ? tap : ef;
	return { name, ifindex, functionMac, hostMac: host, peer: isTapped };
}
