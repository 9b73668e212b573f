/** Topologies as data, and the commands that build them. Pure. */

/** `host:interface`, for example `edge1:up`. */
export type End = `${string}:${string}`;

export interface Link {
	readonly a: End;
	readonly b: End;
	/** Bytes, both ends (default 1500). */
	readonly mtu?: number;
	/** Prefixes with length, for example `192.0.2.1/30`, by end. */
	readonly addresses?: {
		readonly a?: readonly string[];
		readonly b?: readonly string[];
	};
}

/** A bridge inside a host; its ports are interfaces of the same host. */
export interface Bridge {
	readonly at: End;
	readonly ports: readonly string[];
	readonly addresses?: readonly string[];
}

export interface Route {
	readonly host: string;
	/** Prefix, or `default` (IPv4), or `default6`. */
	readonly to: string;
	readonly via: string;
}

export interface Topology {
	readonly hosts: readonly string[];
	readonly links: readonly Link[];
	readonly bridges?: readonly Bridge[];
	readonly routes?: readonly Route[];
	/** Kernel settings by host, on top of those every host has. */
	readonly sysctls?: Readonly<Record<string, readonly string[]>>;
}

/** Settings of a host that forwards. */
export const FORWARDING = [
	"net.ipv4.ip_forward=1",
	"net.ipv6.conf.all.forwarding=1",
] as const;

/** No address detection and no redirects: a lab is ready when it is built. */
const EVERY_HOST = [
	"net.ipv6.conf.all.accept_dad=0",
	"net.ipv6.conf.default.accept_dad=0",
	"net.ipv6.conf.all.accept_ra=0",
	"net.ipv6.conf.default.accept_ra=0",
	"net.ipv4.conf.all.rp_filter=0",
	"net.ipv4.conf.default.rp_filter=0",
	"net.ipv4.conf.all.send_redirects=0",
	"net.ipv4.conf.default.send_redirects=0",
] as const;

export interface BuildPlan {
	/** For `ip -batch`, outside: namespaces first, links into them afterwards. */
	readonly namespaces: readonly string[];
	readonly links: readonly string[];
	/** By host: settings before the links exist, and `ip -batch` lines after. */
	readonly hosts: ReadonlyMap<
		string,
		{ readonly sysctls: readonly string[]; readonly lines: readonly string[] }
	>;
}

/** Everything to run; `netns` names the namespace of a host. */
export function planTopology(
	topology: Topology,
	netns: (host: string) => string,
): BuildPlan {
	const known = new Set(topology.hosts);
	const lines = new Map<string, string[]>(
		topology.hosts.map((host) => [host, ["link set lo up"]]),
	);
	const add = (host: string, line: string) => {
		if (!known.has(host))
			throw new Error(`topology: ${host} is not among its hosts`);
		lines.get(host)?.push(line);
	};
	const links: string[] = [];
	for (const bridge of topology.bridges ?? []) {
		const [host, name] = split(bridge.at);
		add(host, `link add name ${name} type bridge mcast_snooping 0`);
		// A fixed address: a bridge's own changes while ports are added.
		for (const address of bridge.addresses ?? [])
			add(host, addressLine(address, name));
		add(host, `link set dev ${name} up`);
	}
	for (const link of topology.links) {
		const [a, b] = [split(link.a), split(link.b)];
		const mtu = link.mtu ?? 1500;
		links.push(
			`link add name ${a[1]} mtu ${mtu} netns ${netns(a[0])} type veth peer name ${b[1]} mtu ${mtu} netns ${netns(b[0])}`,
		);
		for (const [[host, name], addresses] of [
			[a, link.addresses?.a],
			[b, link.addresses?.b],
		] as const) {
			for (const address of addresses ?? [])
				add(host, addressLine(address, name));
			add(host, `link set dev ${name} up`);
		}
	}
	for (const bridge of topology.bridges ?? []) {
		const [host, name] = split(bridge.at);
		for (const port of bridge.ports)
			add(host, `link set dev ${port} master ${name}`);
	}
	for (const { host, to, via } of topology.routes ?? [])
		add(host, routeLine(to, via));
	return {
		namespaces: topology.hosts.map((host) => `netns add ${netns(host)}`),
		links,
		hosts: new Map(
			topology.hosts.map((host) => [
				host,
				{
					sysctls: [...EVERY_HOST, ...(topology.sysctls?.[host] ?? [])],
					lines: lines.get(host) ?? [],
				},
			]),
		),
	};
}

function split(end: End): readonly [host: string, name: string] {
	const colon = end.indexOf(":");
	return [end.slice(0, colon), end.slice(colon + 1)];
}

function addressLine(address: string, name: string): string {
	const nodad = address.includes(":") ? " nodad" : "";
	return `addr add ${address} dev ${name}${nodad}`;
}

function routeLine(to: string, via: string): string {
	return `route add ${to === "default6" ? "::/0" : to} via ${via}`;
}
