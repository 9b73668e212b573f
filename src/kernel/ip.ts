/**
 * Links, addresses, routes, rules and neighbours of a namespace through
 * `ip -batch` and `ip -json`. ensure… may be called again and changes nothing
 * then; a namespace that is undefined is the one this process is in.
 */
import { interfaceName, netnsName } from "./enter.js";
import { KernelError } from "./error.js";
import { run } from "./process.js";

type Netns = string | undefined;
/** Arguments of one `ip` command without the `ip`. */
export type IpCommand = readonly string[];

/** What `ip -j -d link` tells of an interface, as far as we look at it. */
export interface Link {
	readonly ifindex: number;
	readonly ifname: string;
	readonly flags: readonly string[];
	readonly mtu: number;
	/** MAC address. */
	readonly address?: string;
	/** Kind of a virtual interface, such as `veth`. */
	readonly linkinfo?: { readonly info_kind?: string };
	/** Index of the other end in its own namespace. */
	readonly link_index?: number;
	readonly gso_max_size?: number;
}

export interface Address {
	readonly ifname: string;
	readonly addr_info: readonly {
		readonly family: string;
		readonly local: string;
		readonly prefixlen: number;
	}[];
}

export interface Route {
	readonly dst: string;
	readonly gateway?: string;
	readonly dev?: string;
	readonly table?: string;
}

export interface Rule {
	readonly priority: number;
	readonly iif?: string;
	/** Hexadecimal. */
	readonly fwmark?: string;
	readonly src: string;
	readonly srclen?: number;
	readonly table?: string;
}

export interface Neighbour {
	readonly dst: string;
	readonly dev: string;
	readonly lladdr?: string;
	readonly state: readonly string[];
}

/**
 * Runs commands in one process, in order; stops at the first that fails.
 * `family` is for those that do not show it by an address, such as rules.
 */
export async function ipBatch(
	commands: readonly IpCommand[],
	netns?: Netns,
	family?: 4 | 6,
): Promise<void> {
	if (commands.length === 0) return;
	const lines = commands.map((command) => command.map(token).join(" "));
	try {
		const options = family === undefined ? [] : [`-${family}`];
		await run(["ip", ...options, "-batch", "-"], {
			netns,
			input: `${lines.join("\n")}\n`,
		});
	} catch (error) {
		throw batchError(error, lines);
	}
}

/** ip splits lines at blanks and knows quotes, comments and continuations. */
function token(text: string): string {
	if (/^[^\s"'\\#]+$/.test(text)) return text;
	throw new KernelError(
		`ip argument ${JSON.stringify(text)}`,
		"bad characters",
		"no blanks, quotes, '\\' or '#'",
	);
}

function batchError(error: unknown, lines: readonly string[]): unknown {
	if (!(error instanceof KernelError) || error.log === undefined) return error;
	const failed = /Command failed -:(\d+)/.exec(error.log)?.[1];
	const line = failed === undefined ? undefined : lines[Number(failed) - 1];
	if (line === undefined) return error;
	const cause = error.log.replace(/Command failed -:\d+/g, "").trim();
	return new KernelError(
		`ip ${line}`,
		cause.replace(/\n/g, "; "),
		fixOf(cause),
		{ log: error.log },
	);
}

function fixOf(cause: string): string | undefined {
	if (/Cannot find device|No such device/.test(cause))
		return "does the interface exist in this namespace?";
	if (/not permitted/.test(cause)) return "run as root with CAP_NET_ADMIN";
	if (/Network is unreachable|invalid gateway/.test(cause))
		return "the gateway needs an address of the interface's subnet";
	return undefined;
}

/** Parsed answer of `ip -j …`; the caller names its type. */
async function ask<T>(command: IpCommand, netns: Netns): Promise<T[]> {
	const { stdout } = await run(["ip", "-j", "-d", ...command], {
		netns,
		maxOutput: 1 << 28,
	});
	return stdout.trim() === "" ? [] : (JSON.parse(stdout) as T[]);
}

export function links(netns?: Netns): Promise<Link[]> {
	return ask<Link>(["link", "show"], netns);
}

/** One interface; undefined where there is none of this name. */
export async function linkOf(
	name: string,
	netns?: Netns,
): Promise<Link | undefined> {
	const wanted = interfaceName(name);
	return (await links(netns)).find((link) => link.ifname === wanted);
}

export function addresses(netns?: Netns): Promise<Address[]> {
	return ask<Address>(["address", "show"], netns);
}

/** Routes of a table (`main` where absent; a number, name or `all`). */
export function routes(
	family: 4 | 6,
	table = "main",
	netns?: Netns,
): Promise<Route[]> {
	return ask<Route>([`-${family}`, "route", "show", "table", table], netns);
}

export function rules(family: 4 | 6, netns?: Netns): Promise<Rule[]> {
	return ask<Rule>([`-${family}`, "rule", "show"], netns);
}

export function neighbours(netns?: Netns): Promise<Neighbour[]> {
	return ask<Neighbour>(["neighbour", "show"], netns);
}

export interface VethEnd {
	readonly name: string;
	readonly netns?: Netns;
	readonly mac?: string;
}

/** Makes a pair with both ends up; one that exists is kept, its MACs set. */
export async function ensureVeth(
	end: VethEnd,
	peer: VethEnd,
	mtu = 1500,
): Promise<void> {
	/* `ip` can name any namespace but the unnamed one: start from that. */
	const [a, b] =
		end.netns !== undefined && peer.netns === undefined
			? [peer, end]
			: [end, peer];
	for (const { name } of [a, b]) interfaceName(name);
	const found = await linkOf(a.name, a.netns);
	if (found === undefined) {
		const where =
			b.netns === undefined || b.netns === a.netns
				? []
				: ["netns", netnsName(b.netns)];
		await ipBatch(
			[
				[
					"link",
					"add",
					"name",
					a.name,
					...hardware(a),
					"mtu",
					String(mtu),
					"type",
					"veth",
					"peer",
					"name",
					b.name,
					...hardware(b),
					"mtu",
					String(mtu),
					...where,
				],
			],
			a.netns,
		);
	} else if (found.linkinfo?.info_kind !== "veth") {
		throw new KernelError(
			`make veth ${a.name}`,
			`an interface of kind ${found.linkinfo?.info_kind ?? "hardware"} has this name`,
		);
	}
	for (const one of [a, b])
		await ipBatch(
			[
				[
					"link",
					"set",
					"dev",
					one.name,
					...hardware(one),
					"mtu",
					String(mtu),
					"up",
				],
			],
			one.netns,
		);
}

function hardware(end: VethEnd): string[] {
	return end.mac === undefined ? [] : ["address", end.mac];
}

/** Removes an interface (and a veth's peer); false where there was none. */
export async function deleteLink(
	name: string,
	netns?: Netns,
): Promise<boolean> {
	try {
		await ipBatch([["link", "del", "dev", interfaceName(name)]], netns);
		return true;
	} catch (error) {
		if (
			error instanceof KernelError &&
			/Cannot find device/.test(error.message)
		)
			return false;
		throw error;
	}
}

/** Adds `address/length` to an interface unless it is there. No duplicate address detection. */
export async function ensureAddress(
	dev: string,
	prefix: string,
	netns?: Netns,
): Promise<void> {
	const nodad = prefix.includes(":") ? ["nodad"] : [];
	await ipBatch(
		[["address", "replace", prefix, "dev", interfaceName(dev), ...nodad]],
		netns,
	);
}

export interface RouteSpec {
	/** Prefix or `default`. */
	readonly to: string;
	readonly family: 4 | 6;
	readonly via?: string;
	readonly dev?: string;
	/** Accept a gateway outside the interface's subnets. */
	readonly onlink?: boolean;
	readonly table?: number;
	readonly metric?: number;
	readonly src?: string;
}

function routeCommand(route: RouteSpec): IpCommand {
	return [
		"route",
		"replace",
		route.to,
		...(route.via === undefined ? [] : ["via", route.via]),
		...(route.dev === undefined ? [] : ["dev", interfaceName(route.dev)]),
		...(route.onlink ? ["onlink"] : []),
		...(route.src === undefined ? [] : ["src", route.src]),
		...(route.metric === undefined ? [] : ["metric", String(route.metric)]),
		...(route.table === undefined ? [] : ["table", String(route.table)]),
	];
}

export interface RuleSpec {
	readonly family: 4 | 6;
	readonly priority: number;
	readonly table: number;
	readonly iif?: string;
	readonly mark?: number;
	readonly from?: string;
}

/** Adds routes; those that are there are replaced. */
export async function ensureRoutes(
	wanted: readonly RouteSpec[],
	netns?: Netns,
): Promise<void> {
	for (const family of [4, 6] as const)
		await ipBatch(
			wanted.filter((route) => route.family === family).map(routeCommand),
			netns,
			family,
		);
}

/** Adds policy rules; a priority that holds another rule is taken over. */
export async function ensureRules(
	wanted: readonly RuleSpec[],
	netns?: Netns,
): Promise<void> {
	for (const family of [4, 6] as const) {
		const mine = wanted.filter((rule) => rule.family === family);
		if (mine.length === 0) continue;
		const present = await rules(family, netns);
		const commands = mine.flatMap((rule): IpCommand[] => {
			const there = present.filter((one) => one.priority === rule.priority);
			if (there.length === 1 && there.every((one) => sameRule(one, rule)))
				return [];
			const old = there.map(() => [
				"rule",
				"del",
				"priority",
				String(rule.priority),
			]);
			const iif =
				rule.iif === undefined ? [] : ["iif", interfaceName(rule.iif)];
			const mark = rule.mark === undefined ? [] : ["fwmark", String(rule.mark)];
			const from = ["from", rule.from ?? "all"];
			return [
				...old,
				[
					"rule",
					"add",
					...from,
					...iif,
					...mark,
					"priority",
					String(rule.priority),
					"table",
					String(rule.table),
				],
			];
		});
		await ipBatch(commands, netns, family);
	}
}

function sameRule(has: Rule, wants: RuleSpec): boolean {
	const from = has.src + (has.srclen === undefined ? "" : `/${has.srclen}`);
	/* ip leaves the length of a single address away. */
	const wanted = (wants.from ?? "all").replace(/\/(32|128)$/, "");
	return (
		has.table === String(wants.table) &&
		has.iif === wants.iif &&
		(has.fwmark === undefined ? undefined : Number(has.fwmark)) ===
			wants.mark &&
		from === wanted
	);
}

/** A permanent neighbour entry, replaced where it differs. */
export async function ensureNeighbour(
	dev: string,
	address: string,
	mac: string,
	netns?: Netns,
): Promise<void> {
	await ipBatch(
		[
			[
				"neighbour",
				"replace",
				address,
				"lladdr",
				mac,
				"dev",
				interfaceName(dev),
				"nud",
				"permanent",
			],
		],
		netns,
	);
}
