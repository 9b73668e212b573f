/** The columns of each table that `get` and `describe` print. */
import type {
	CountersView,
	EventView,
	FlowClassView,
	FlowView,
	FunctionView,
	HopView,
	InstanceHealth,
	NodeView,
	PathView,
	PolicyView,
	StateView,
	TenantView,
} from "../api/schemas.js";
import { bytes, type Column, duration, protocol } from "./table.js";
import type { Colour } from "./terminal.js";

type Counted = { readonly packets: number; readonly bytes: number };

export const tenants: readonly Column<TenantView>[] = [
	{ title: "TENANT", value: (row) => row.name },
	{ title: "SUBNETS", value: (row) => row.spec.subnets.join(", ") },
	{ title: "UNMATCHED", value: (row) => row.spec.default ?? "forward" },
	{ title: "POLICIES", value: (row) => row.status.policies, align: "right" },
	{ title: "PATHS", value: (row) => row.status.paths, align: "right" },
];

export const nodes: readonly Column<NodeView>[] = [
	{ title: "NODE", value: (row) => row.name },
	{
		title: "STATE",
		value: ({ status }) => nodeState(status),
		colour: ({ status }) =>
			status.connected
				? status.revision === status.desired
					? "green"
					: "yellow"
				: "red",
	},
	{
		title: "REVISION",
		value: ({ status }) =>
			status.revision === status.desired
				? status.revision
				: `${status.revision} of ${status.desired}`,
		align: "right",
	},
	{ title: "UNDERLAY", value: (row) => row.spec.underlay },
	{ title: "DOMAIN", value: (row) => row.spec.domain },
	{
		title: "INTERFACES",
		value: (row) =>
			row.spec.interfaces
				.map(({ name, role }) => `${name} (${role})`)
				.join(", "),
	},
	{
		title: "ENCRYPTION",
		value: ({ status }) => encryption(status),
		colour: ({ status: { ef } }) =>
			ef && (ef.state === "up" && ef.reason === "" ? "green" : "yellow"),
	},
	{ title: "LAST ERROR", value: (row) => row.status.lastError },
];

/** Of the node's encryption function: its engine, or what it lacks. */
function encryption({ ef }: NodeView["status"]): string | undefined {
	if (!ef) return undefined;
	if (ef.state !== "up") return ef.state;
	const engine = ef.engine?.kind ?? "";
	return ef.connected ? engine : `${engine}, without its centre`;
}

function nodeState(status: NodeView["status"]): string {
	if (!status.connected) return "disconnected";
	return status.revision === status.desired ? "ready" : "updating";
}

/** One row an instance: a function without one is still worth a row. */
export interface FunctionRow {
	readonly function: FunctionView;
	readonly health: InstanceHealth | undefined;
}

export function functionRows(views: readonly FunctionView[]): FunctionRow[] {
	return views.flatMap((view): FunctionRow[] =>
		view.status.instances.length === 0
			? [{ function: view, health: undefined }]
			: view.status.instances.map((health) => ({ function: view, health })),
	);
}

export const functions: readonly Column<FunctionRow>[] = [
	{ title: "FUNCTION", value: (row) => row.function.name },
	{ title: "ATTACH", value: (row) => row.function.spec.attach },
	...instanceColumns<FunctionRow>((row) => row.health),
	{
		title: "PATHS",
		value: (row) => row.function.status.paths.length,
		align: "right",
	},
];

export const instances: readonly Column<InstanceHealth>[] = [
	{ title: "FUNCTION", value: (row) => row.function },
	...instanceColumns<InstanceHealth>((row) => row),
];

function instanceColumns<Row>(
	of: (row: Row) => InstanceHealth | undefined,
): Column<Row>[] {
	return [
		{ title: "INSTANCE", value: (row) => of(row)?.instance },
		{ title: "NODE", value: (row) => of(row)?.node },
		{
			title: "STATE",
			value: (row) =>
				`${of(row)?.state ?? "unknown"}${of(row)?.draining ? ", draining" : ""}`,
			colour: (row) => STATE_COLOURS[of(row)?.state ?? "unknown"],
		},
		{ title: "REASON", value: (row) => of(row)?.reason },
		{
			title: "RESTARTS",
			value: (row) => of(row)?.restarts,
			align: "right",
		},
	];
}

const STATE_COLOURS: Readonly<Record<InstanceHealth["state"], Colour>> = {
	up: "green",
	starting: "yellow",
	down: "red",
	unknown: "dim",
};

export const flowClasses: readonly Column<FlowClassView>[] = [
	{ title: "FLOW CLASS", value: (row) => row.name },
	{
		title: "MATCH",
		value: (row) => row.spec.match.replace(/\s+/g, " ").trim(),
	},
	{ title: "EXCEPTED BY", value: (row) => row.status.policies.join(", ") },
];

export const policies: readonly Column<PolicyView>[] = [
	{ title: "POLICY", value: (row) => row.name },
	{ title: "TENANT", value: (row) => row.spec.tenant },
	{
		title: "PRIORITY",
		value: (row) => row.spec.priority ?? 100,
		align: "right",
	},
	{ title: "ENCRYPT", value: ({ spec }) => encrypted(spec) },
	{ title: "RULE", value: (row) => row.spec.rule.replace(/\s+/g, " ").trim() },
	{
		title: "PATHS",
		value: (row) => row.status.paths.length,
		align: "right",
	},
];

function encrypted({ encrypt = "never" }: PolicyView["spec"]): string {
	return typeof encrypt === "string" ? encrypt : encrypt.when;
}

export const paths: readonly Column<PathView>[] = [
	{ title: "SPI", value: (row) => row.spi, align: "right" },
	{ title: "DIRECTION", value: (row) => row.direction },
	{ title: "POLICY", value: (row) => row.flowClass ?? row.policy },
	{ title: "TENANT", value: (row) => row.tenant },
	{
		title: "STATE",
		value: (row) => row.state,
		colour: (row) => (row.state === "active" ? "green" : "yellow"),
	},
	{ title: "MTU", value: (row) => row.mtu, align: "right" },
	{ title: "HOPS", value: (row) => hopsOf(row) },
	{ title: "PACKETS", value: (row) => firstPackets(row), align: "right" },
];

/** `firewall/fw1@edge1 > ids/ids1@edge2 > exit@edge2`. */
export function hopsOf(path: PathView): string {
	return path.hops
		.filter(({ kind }) => kind !== "node")
		.map((hop) => `${hopName(hop)}@${hop.node}`)
		.join(" > ");
}

export function hopName(hop: HopView): string {
	if (hop.kind === "node") return `to ${hop.to ?? "another node"}`;
	if (hop.kind === "exit") return "exit";
	return `${hop.function ?? hop.kind}/${hop.instance ?? "?"}`;
}

function firstPackets(path: PathView): number | undefined {
	return path.hops.find((hop) => hop.packets !== undefined)?.packets;
}

export const hops: readonly Column<HopView>[] = [
	{ title: "SI", value: (row) => row.si, align: "right" },
	{ title: "NODE", value: (row) => row.node },
	{ title: "HOP", value: hopName },
	{ title: "KIND", value: (row) => row.kind },
	{ title: "SEALED", value: (row) => row.sealed },
	{ title: "PACKETS", value: (row) => row.packets, align: "right" },
	{
		title: "BYTES",
		value: (row) => (row.bytes === undefined ? undefined : bytes(row.bytes)),
		align: "right",
	},
];

export const flows: readonly Column<FlowView>[] = [
	{ title: "NODE", value: (row) => row.node },
	{ title: "TENANT", value: (row) => row.tenant },
	{ title: "PROTO", value: (row) => protocol(row.proto) },
	{ title: "FROM", value: (row) => endpoint(row.src, row.sport) },
	{ title: "TO", value: (row) => endpoint(row.dst, row.dport) },
	{ title: "KIND", value: (row) => row.kind },
	{ title: "POLICY", value: (row) => row.policy },
	{
		title: "PATH",
		value: (row) => (row.old ? `${row.spi} (old)` : (row.spi ?? row.action)),
		align: "right",
		colour: (row) => (row.old ? "dim" : undefined),
	},
	{ title: "PACKETS", value: (row) => row.packets, align: "right" },
	{ title: "BYTES", value: (row) => bytes(row.bytes), align: "right" },
	{ title: "IDLE", value: (row) => duration(row.idleMs), align: "right" },
];

export const states: readonly Column<StateView>[] = [
	{ title: "NODE", value: (row) => row.node },
	{ title: "FUNCTION", value: (row) => `${row.function}/${row.instance}` },
	{ title: "TENANT", value: (row) => row.tenant },
	{ title: "PROTO", value: (row) => protocol(row.proto) },
	{ title: "FROM", value: (row) => endpoint(row.src, row.sport) },
	{ title: "TO", value: (row) => endpoint(row.dst, row.dport) },
	{
		title: "VERDICT",
		value: (row) => row.verdict,
		colour: (row) => VERDICT_COLOURS[row.verdict],
	},
	{ title: "BECOMES", value: ({ rewritten }) => rewritten && ends(rewritten) },
	{ title: "GIVEN", value: (row) => row.delivered, align: "right" },
	{ title: "SKIPPED", value: (row) => row.skipped, align: "right" },
	{ title: "BYTES", value: (row) => bytes(row.skippedBytes), align: "right" },
	{
		title: "VOUCHED",
		value: ({ vouchedMs }) =>
			vouchedMs === undefined ? undefined : `${duration(vouchedMs)} ago`,
		align: "right",
	},
	{ title: "IDLE", value: (row) => duration(row.idleMs), align: "right" },
];

const VERDICT_COLOURS: Readonly<Partial<Record<StateView["verdict"], Colour>>> =
	{ allow: "green", rewrite: "green", deny: "red", closing: "dim" };

/** `10.0.0.1:5 > 10.0.0.2:80`. */
function ends(row: Pick<StateView, "src" | "dst" | "sport" | "dport">): string {
	return `${endpoint(row.src, row.sport)} > ${endpoint(row.dst, row.dport)}`;
}

export function endpoint(address: string, port: number): string {
	if (port === 0) return address;
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** All counters of all nodes, flat, so that one table can show them. */
export interface CounterRow {
	readonly node: string;
	readonly what: string;
	readonly name: string;
	/** Packets; with verdicts and states what their names say. */
	readonly count: number;
	readonly bytes?: number;
}

export function counterRows(views: readonly CountersView[]): CounterRow[] {
	return views.flatMap((view) =>
		rowsOfNode(view).map((row) => ({ node: view.node, ...row })),
	);
}

function rowsOfNode(view: CountersView): Omit<CounterRow, "node">[] {
	const counted = (what: string, name: string, of: Counted) => ({
		what,
		name,
		count: of.packets,
		bytes: of.bytes,
	});
	const portName = (of: { function: string; instance: string; port: number }) =>
		`${of.function}/${of.instance} port ${of.port}`;
	return [
		...view.hops.map((hop) => {
			const { spi, si, policy, function: name } = hop;
			return counted(
				"hop",
				`path ${spi} si ${si} ${name === undefined ? "" : `${name} `}(${policy})`,
				hop,
			);
		}),
		...view.ports.flatMap((port) => {
			const name = `${portName(port)} ${port.side}`;
			return [
				counted("port", `${name} to function`, port.toFunction),
				counted("port", `${name} from function`, port.fromFunction),
			];
		}),
		...view.verdicts.map((one) => ({
			what: "verdict",
			name: `${portName(one)} ${one.what}`,
			count: one.count,
		})),
		...(view.states === undefined
			? []
			: [
					{
						what: "states",
						name: `of ${view.states.capacity}`,
						count: view.states.entries,
					},
				]),
		...efRows(view),
		...view.drops.map((drop) => counted("drop", drop.reason, drop)),
	];
}

/** What the encryption function has sealed and opened, and what it refused. */
function efRows({ ef }: CountersView): Omit<CounterRow, "node">[] {
	if (!ef) return [];
	return (["out", "in"] as const).flatMap((direction) => {
		const { packets, bytes, refused } = ef[direction];
		const what = direction === "out" ? "sealed" : "opened";
		return [
			{ what: "ef", name: what, count: packets, bytes },
			...Object.entries(refused).map(([reason, count]) => ({
				what: "ef",
				name: `not ${what}: ${reason}`,
				count,
			})),
		];
	});
}

export const counters: readonly Column<CounterRow>[] = [
	{ title: "NODE", value: (row) => row.node },
	{
		title: "WHAT",
		value: (row) => row.what,
		colour: (row) => (row.what === "drop" && row.count > 0 ? "red" : undefined),
	},
	{ title: "NAME", value: (row) => row.name },
	{ title: "COUNT", value: (row) => row.count, align: "right" },
	{
		title: "BYTES",
		value: (row) => (row.bytes === undefined ? undefined : bytes(row.bytes)),
		align: "right",
	},
];

export const events: readonly Column<EventView>[] = [
	{
		title: "TIME",
		value: (row) => new Date(row.timeMs).toISOString().slice(0, 23),
	},
	{ title: "KIND", value: (row) => row.kind },
	{ title: "NODE", value: (row) => row.node },
	{ title: "WHO", value: (row) => row.who },
	{ title: "MESSAGE", value: (row) => row.message },
];
