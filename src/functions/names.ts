/**
 * Names and addresses of everything a function's port is made of, derived from
 * the port's id alone: an agent that lost its memory finds all of it again.
 */
import { createHash } from "node:crypto";

/** Ids the kernel's tables have room for (MAX_PORTS in bpf/maps.h). */
export const PORT_ID_MAX = 4095;

/** Longest namespace name we make: it shows in prompts, logs and paths. */
const NAMESPACE_MAX = 64;

/** Which veth of a port: a tap has one, every other attachment has two. */
export type Side = "inside" | "outside" | "tap";

export interface InstanceName {
	readonly function: string;
	readonly instance: string;
}

/** Identifies an instance on its node. */
export function instanceKey(name: InstanceName): string {
	return `${name.function}.${name.instance}`;
}

/** How messages to users call an instance. */
export function instanceTitle(name: InstanceName): string {
	return `function ${name.function} (instance ${name.instance})`;
}

/**
 * What all namespaces of a node begin with. The dot, which no declared name
 * has, keeps node `edge` from claiming what belongs to node `edge-1`.
 */
export function namespacePrefix(prefix: string, node: string): string {
	return `${prefix}-${node}.`;
}

/** `<prefix>-<node>.<function>.<instance>`, its end hashed where too long. */
export function namespaceName(
	prefix: string,
	node: string,
	name: InstanceName,
): string {
	const start = namespacePrefix(prefix, node);
	const full = start + instanceKey(name);
	if (full.length <= NAMESPACE_MAX) return full;
	const hash = createHash("sha256").update(instanceKey(name)).digest("hex");
	return start + hash.slice(0, 16);
}

const END_LETTER = { inside: "i", outside: "o", tap: "t" } as const;
const HOST_END = /^cmP([1-9][0-9]{0,4})([iot])$/;

/** Name of a veth's end in the node's namespace: `cmP7i`. */
export function hostEnd(port: number, side: Side): string {
	return `cmP${checked(port)}${END_LETTER[side]}`;
}

/** The port a host end belongs to; undefined for interfaces that are not ours. */
export function portOfHostEnd(name: string): number | undefined {
	const found = HOST_END.exec(name);
	return found?.[1] === undefined ? undefined : Number(found[1]);
}

/** What the MAC addresses of all our ports begin with; `cm` in ASCII. */
export const MAC_PREFIX = "02:63:6d:";
const MAC_SIDE = { inside: 0, outside: 2, tap: 4 } as const;

/** Locally administered (IEEE 802c), the same at every start. */
export function macOf(
	port: number,
	side: Side,
	end: "host" | "function",
): string {
	const which = MAC_SIDE[side] + (end === "function" ? 1 : 0);
	const own = [which, checked(port) >> 8, port & 0xff]
		.map((byte) => byte.toString(16).padStart(2, "0"))
		.join(":");
	return MAC_PREFIX + own;
}

export interface LinkAddresses {
	/** The host end as the function sees it: its gateway. */
	readonly gateway: string;
	readonly own: string;
	readonly prefixLength: number;
}

/**
 * Addresses of one routed link: a /31 of 169.254.0.0/16 (RFC 3927) or a /127 of
 * an RFC 4193 prefix. They live in the function's namespace alone.
 */
export function linkAddresses(
	port: number,
	side: "inside" | "outside",
	family: 4 | 6,
): LinkAddresses {
	/* The first 256 addresses are reserved, RFC 3927 section 2.1. */
	const first = 256 + 4 * checked(port) + (side === "inside" ? 0 : 2);
	const text =
		family === 4
			? (n: number) => `169.254.${n >> 8}.${n & 0xff}`
			: (n: number) => `fd63:6d::${n.toString(16)}`;
	return {
		gateway: text(first),
		own: text(first + 1),
		prefixLength: family === 4 ? 31 : 127,
	};
}

/** Addresses of probes through a port, of the range for tests (RFC 2544). */
export function probeAddresses(port: number): { src: string; dst: string } {
	const end = `${checked(port) >> 8}.${port & 0xff}`;
	return { src: `198.18.${end}`, dst: `198.19.${end}` };
}

export const EF_SIDES = ["inside", "outside"] as const;
export type EfSideName = (typeof EF_SIDES)[number];

/** Namespace of the node's encryption function (EF); no instance has this name. */
export function efNamespace(prefix: string, node: string): string {
	return `${namespacePrefix(prefix, node)}ef`;
}

/** Name of the EF's veths in the node's namespace: `cmEFi`, `cmEFo`. */
export function efHostEnd(side: EfSideName): string {
	return `cmEF${END_LETTER[side]}`;
}

/**
 * MAC addresses of the EF's pairs, the same at every start. `tap`: no interface
 * has it, so that the kernel looks no further at frames that an engine reads off
 * the interface.
 */
export const EF_MACS = {
	inside: {
		host: `${MAC_PREFIX}ef:00:00`,
		ef: `${MAC_PREFIX}ef:00:01`,
		tap: `${MAC_PREFIX}ef:00:04`,
	},
	outside: {
		host: `${MAC_PREFIX}ef:00:02`,
		ef: `${MAC_PREFIX}ef:00:03`,
		tap: `${MAC_PREFIX}ef:00:05`,
	},
} as const;

/** `inside`, then `inside2` …: the first name of a side that is not taken. */
export function freeInterfaceName(
	side: Side,
	taken: ReadonlySet<string>,
): string {
	for (let n = 1; ; n++) {
		const name = n === 1 ? side : `${side}${n}`;
		if (!taken.has(name)) return name;
	}
}

function checked(port: number): number {
	if (!Number.isInteger(port) || port < 1 || port > PORT_ID_MAX)
		throw new RangeError(
			`port ${port}: not within 1…${PORT_ID_MAX} (a node has no room for more ports)`,
		);
	return port;
}
