/**
 * The network of one function: its namespace, veth pairs, addresses, routes,
 * bridges. Looks at what is there and adds what is missing.
 */
import {
	addresses,
	ensureRoutes,
	ensureRules,
	type IpCommand,
	ipBatch,
	type Link,
	links,
	rules,
} from "../../kernel/ip.js";
import { deleteNetns, ensureNetns, netnsExists } from "../../kernel/netns.js";
import { run } from "../../kernel/process.js";
import { getSysctl, setSysctl } from "../../kernel/sysctl.js";
import type { InstanceState } from "../../plan/state.js";
import { canonicalAddress } from "../../wire/address.js";
import {
	freeInterfaceName,
	hostEnd,
	MAC_PREFIX,
	macOf,
	type Side,
} from "../names.js";
import type { Attachment, PortAttachments } from "../runtime.js";
import * as plan from "./links.js";

export interface Surroundings {
	/** Namespace of the node; that of this process where undefined. */
	readonly node: string | undefined;
	readonly namespace: string;
	/** MTU of the ports in bytes. */
	readonly mtu: number;
}

export type Network = Pick<InstanceState, "attach" | "ports" | "spec">;

const FAMILIES = [4, 6] as const;

/** Namespace and ports, down where they are new: nothing passes yet. */
export async function makePorts(
	at: Surroundings,
	wanted: Network,
): Promise<plan.PortNames[]> {
	await ensureNetns(at.namespace);
	for (const [key, value] of Object.entries(
		plan.namespaceSettings(wanted.attach),
	))
		if (getSysctl(key, at.namespace) !== value)
			setSysctl(key, value, at.namespace);
	const inner = await links(at.namespace);
	const outer = await links(at.node);
	const taken = new Set(inner.map((link) => link.ifname));
	const commands: IpCommand[] = [];
	const ports = wanted.ports.map(({ id }): plan.PortNames => {
		const ensure = (side: Side): string => {
			const host = outer.find((link) => link.ifname === hostEnd(id, side));
			const mine = inner.find(
				(link) => link.address === macOf(id, side, "function"),
			);
			if (host && mine) return mine.ifname;
			/* A host end whose function is gone, or belongs to another one now. */
			if (host) commands.push(["link", "del", "dev", host.ifname]);
			const name = freeInterfaceName(side, taken);
			taken.add(name);
			commands.push(plan.createPair(id, { side, name }, at.namespace, at.mtu));
			return name;
		};
		return wanted.attach === "tap"
			? { id, tap: ensure("tap") }
			: { id, inside: ensure("inside"), outside: ensure("outside") };
	});
	await ipBatch(commands, at.node);
	await removeOthers(at, ports, inner);
	return ports;
}

/** Where the ports that makePorts() gave are in the node, in order. */
export async function findPorts(
	at: Surroundings,
	wanted: Network,
	ports: readonly plan.PortNames[],
): Promise<PortAttachments[]> {
	const outer = await links(at.node);
	return ports.map((port) =>
		attachments(port, wanted.attach === "bridged", outer),
	);
}

/** Addresses, routes and bridges; everything comes up. */
export async function openPorts(
	at: Surroundings,
	wanted: Network,
	ports: readonly plan.PortNames[],
): Promise<void> {
	const ends = ports.flatMap((port) =>
		plan.endsOf(port).map((end) => ({ port: port.id, ...end })),
	);
	await ipBatch(
		ends.map((end) => plan.quietUp(hostEnd(end.port, end.side), at.mtu)),
		at.node,
	);
	await ipBatch(
		ends.map((end) => plan.quietUp(end.name, at.mtu)),
		at.namespace,
	);
	const pairs = ports.filter((port) => "inside" in port);
	if (wanted.attach === "routed") await route(at, pairs);
	if (wanted.attach === "bridged") await bridge(at, pairs);
	await ownAddresses(at, wanted.spec.addresses ?? []);
}

/**
 * Removes the function's network with all in it. The kernel takes a namespace
 * apart some time later: the pairs go first, so that their names are free.
 */
export async function removeNetwork(namespace: string): Promise<void> {
	if (!netnsExists(namespace)) return;
	const pairs = (await links(namespace)).filter(isOurs);
	await ipBatch(
		pairs.map((link) => ["link", "del", "dev", link.ifname]),
		namespace,
	);
	await deleteNetns(namespace);
}

function isOurs(link: Link): boolean {
	return (
		link.linkinfo?.info_kind === "veth" &&
		(link.address?.startsWith(MAC_PREFIX) ?? false)
	);
}

async function route(
	at: Surroundings,
	pairs: readonly Extract<plan.PortNames, { inside: string }>[],
): Promise<void> {
	const [first] = pairs;
	await ipBatch(
		FAMILIES.flatMap((family) =>
			pairs.flatMap((port) => plan.addressCommands(port, family)),
		),
		at.namespace,
	);
	await ensureRoutes(
		FAMILIES.flatMap((family) => [
			...pairs.flatMap((port) => plan.portRoutes(port, family)),
			...(first ? [plan.ownRoute(first, family)] : []),
		]),
		at.namespace,
	);
	const wanted = FAMILIES.flatMap((family) =>
		pairs.flatMap((port) => plan.portRules(port, family)),
	);
	await ensureRules(wanted, at.namespace);
	const priorities = new Set(wanted.map((rule) => rule.priority));
	for (const family of FAMILIES)
		for (const { priority } of await rules(family, at.namespace))
			if (plan.isPortRule(priority) && !priorities.has(priority))
				await run(
					["ip", `-${family}`, "rule", "del", "priority", String(priority)],
					{ netns: at.namespace },
				);
}

async function bridge(
	at: Surroundings,
	pairs: readonly Extract<plan.PortNames, { inside: string }>[],
): Promise<void> {
	const present = new Set(
		(await links(at.namespace)).map((link) => link.ifname),
	);
	await ipBatch(
		pairs.flatMap((port) =>
			plan.bridgeCommands(port, present.has(plan.bridgeName(port)), at.mtu),
		),
		at.namespace,
	);
	const wanted = new Set(pairs.map((port) => plan.bridgeName(port)));
	const stale = [...present].filter(
		(name) => /^bridge[0-9]*$/.test(name) && !wanted.has(name),
	);
	await ipBatch(
		stale.map((name) => ["link", "del", "dev", name]),
		at.namespace,
	);
}

/** Addresses on the loopback: a NAT's public ones, for example. */
async function ownAddresses(
	at: Surroundings,
	wanted: readonly string[],
): Promise<void> {
	const full = wanted.map(withLength);
	const all = await addresses(at.namespace);
	const present = (all.find((one) => one.ifname === "lo")?.addr_info ?? [])
		.map((one) => `${one.local}/${one.prefixlen}`)
		.filter((text) => text !== "127.0.0.1/8" && text !== "::1/128");
	await ipBatch(
		[
			...full
				.filter((text) => !present.includes(text))
				.map((text) => ["address", "add", text, "dev", "lo"]),
			...present
				.filter((text) => !full.includes(text))
				.map((text) => ["address", "del", text, "dev", "lo"]),
		],
		at.namespace,
	);
}

function withLength(prefix: string): string {
	const [address = "", length] = prefix.split("/");
	return `${canonicalAddress(address)}/${length ?? (address.includes(":") ? 128 : 32)}`;
}

/** Pairs of ports that are no longer wanted; the host end goes with its peer. */
async function removeOthers(
	at: Surroundings,
	ports: readonly plan.PortNames[],
	inner: readonly Link[],
): Promise<void> {
	const wanted = new Set(
		ports.flatMap((port) =>
			plan.endsOf(port).map((end) => macOf(port.id, end.side, "function")),
		),
	);
	const stale = inner.filter(
		(link) => isOurs(link) && !wanted.has(link.address ?? ""),
	);
	await ipBatch(
		stale.map((link) => ["link", "del", "dev", link.ifname]),
		at.namespace,
	);
}

const OPPOSITE = { inside: "outside", outside: "inside", tap: "tap" } as const;

function attachments(
	port: plan.PortNames,
	bridged: boolean,
	outer: readonly Link[],
): PortAttachments {
	const { id } = port;
	const of = (side: Side): Attachment => {
		const name = hostEnd(id, side);
		const ifindex = outer.find((link) => link.ifname === name)?.ifindex;
		if (ifindex === undefined)
			throw new Error(
				`port ${id}: ${name} is gone (was it removed by hand meanwhile?)`,
			);
		return {
			name,
			ifindex,
			/* A bridge passes on what is addressed to the host behind it. */
			functionMac: bridged
				? macOf(id, OPPOSITE[side], "host")
				: macOf(id, side, "function"),
			hostMac: macOf(id, side, "host"),
			peer: true,
		};
	};
	return "tap" in port
		? { id, tap: of("tap") }
		: { id, inside: of("inside"), outside: of("outside") };
}
