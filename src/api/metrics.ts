/** What Prometheus reads: the nodes' counters, asked for at each scrape. */
import { Counter, Gauge, Registry } from "prom-client";
import type { NodeCounters } from "../plan/protocol.js";
import { askCounters } from "./ask.js";
import type { Context } from "./context.js";
import { countersView, pathViews } from "./views.js";

/** Shorter than any scrape timeout: a node that hangs must not hide the others. */
const ASK_TIMEOUT_MS = 2000;

/** Counted in packets and in bytes: two metrics. */
interface Counted<L extends string = string> {
	readonly name: string;
	readonly what: string;
	readonly labels: readonly L[];
}

interface Single<L extends string = string> {
	readonly name: string;
	readonly help: string;
	readonly labels: readonly L[];
}

const COUNTED = {
	hop: {
		name: "chainmail_hop",
		what: "that met this hop of a path",
		labels: ["node", "spi", "si", "policy", "tenant", "function"],
	},
	path: {
		name: "chainmail_path",
		what: "that left a path at its exit",
		labels: ["spi", "policy", "tenant"],
	},
	port: {
		name: "chainmail_port",
		what: "given to a function's port, and taken from it",
		labels: ["node", "function", "instance", "port", "side", "direction"],
	},
	drop: {
		name: "chainmail_drop",
		what: "dropped, by reason",
		labels: ["node", "reason"],
	},
	ef: {
		name: "chainmail_ef",
		what: "that the node's encryption function has sealed (`out`) or opened (`in`)",
		labels: ["node", "direction"],
	},
} as const satisfies Record<string, Counted>;

const TOTALS = {
	efRefused: {
		name: "chainmail_ef_refused_total",
		help: "Packets that the node's encryption function did not seal (`out`) or open (`in`)",
		labels: ["node", "direction", "reason"],
	},
	verdict: {
		name: "chainmail_verdict_total",
		help: "What became of what functions said of flows; `what` as in the table above",
		labels: ["node", "function", "instance", "what"],
	},
} as const satisfies Record<string, Single>;

const KEY_EVENTS = {
	name: "chainmail_key_events_total",
	help: "What was done with keys since the controller started: issue, in-use, refuse, revoke, expired …",
	labels: ["what"],
} as const satisfies Single;

const LEVELS = {
	keyLinks: {
		name: "chainmail_key_links",
		help: "Sealed hops, one way, by state: ready, waiting for keys, revoked",
		labels: ["state"],
	},
	keySas: {
		name: "chainmail_key_sas",
		help: "Security associations by phase; `current`: in use, or may be",
		labels: ["phase"],
	},
	revision: {
		name: "chainmail_revision",
		help: "Newest revision of the nodes' states that was sent",
		labels: [],
	},
	nodeRevision: {
		name: "chainmail_node_revision",
		help: "Newest revision the node acknowledged",
		labels: ["node"],
	},
	agents: {
		name: "chainmail_agents_connected",
		help: "Agents that have a session with this controller",
		labels: [],
	},
	efUp: {
		name: "chainmail_ef_up",
		help: "1 where the node's encryption function runs and reaches the authentication centre, else 0; absent where no hop is sealed",
		labels: ["node"],
	},
	up: {
		name: "chainmail_instance_up",
		help: "1 where the function's instance is up, else 0",
		labels: ["node", "function", "instance"],
	},
	states: {
		name: "chainmail_states",
		help: "Entries of the service state list, counted every 30 s; they stay until room is needed",
		labels: ["node"],
	},
	statesCapacity: {
		name: "chainmail_states_capacity",
		help: "Entries of the service state list that fit; beyond, the longest unused are forgotten",
		labels: ["node"],
	},
} as const satisfies Record<string, Single>;

const NOTHING = { packets: 0, bytes: 0, refused: {} };

const totalOf = (name: string, unit: "Packets" | "Bytes") =>
	`${name}_${unit.toLowerCase()}_total`;

/** Every metric, for the documentation. */
export const metricTable: readonly {
	readonly name: string;
	readonly type: "counter" | "gauge";
	readonly help: string;
	readonly labels: readonly string[];
}[] = [
	...Object.values(COUNTED).flatMap(({ name, what, labels }) =>
		(["Packets", "Bytes"] as const).map((unit) => ({
			name: totalOf(name, unit),
			type: "counter" as const,
			help: `${unit} ${what}`,
			labels,
		})),
	),
	...[...Object.values(TOTALS), KEY_EVENTS].map((total) => ({
		...total,
		type: "counter" as const,
	})),
	...Object.values(LEVELS).map((level) => ({
		...level,
		type: "gauge" as const,
	})),
];

export interface Metrics {
	readonly contentType: string;
	scrape(): Promise<string>;
}

export function createMetrics(context: Context): Metrics {
	const registers = [new Registry()] as const;
	const [registry] = registers;
	const pair = <L extends string>({ name, what, labels }: Counted<L>) => {
		const [packets, bytes] = (["Packets", "Bytes"] as const).map(
			(unit) =>
				new Counter({
					name: totalOf(name, unit),
					help: `${unit} ${what}`,
					labelNames: [...labels],
					registers: [...registers],
				}),
		) as [Counter<L>, Counter<L>];
		return { packets, bytes };
	};
	const configured = <L extends string>({ name, help, labels }: Single<L>) => ({
		name,
		help,
		labelNames: [...labels],
		registers: [...registers],
	});
	const gauge = <L extends string>(level: Single<L>) =>
		new Gauge(configured(level));
	const hop = pair(COUNTED.hop);
	const path = pair(COUNTED.path);
	const port = pair(COUNTED.port);
	const drop = pair(COUNTED.drop);
	const ef = pair(COUNTED.ef);
	const efRefused = new Counter(configured(TOTALS.efRefused));
	const verdict = new Counter(configured(TOTALS.verdict));
	const states = gauge(LEVELS.states);
	const statesCapacity = gauge(LEVELS.statesCapacity);
	const revision = gauge(LEVELS.revision);
	const nodeRevision = gauge(LEVELS.nodeRevision);
	const agents = gauge(LEVELS.agents);
	const up = gauge(LEVELS.up);
	const efUp = gauge(LEVELS.efUp);
	const keyEvents = new Counter(configured(KEY_EVENTS));
	const keyLinks = gauge(LEVELS.keyLinks);
	const keySas = gauge(LEVELS.keySas);

	/** Nothing where the authentication centre is out of reach. */
	async function fillKeys(): Promise<void> {
		for (const [what, count] of context.keyCounts)
			keyEvents.inc({ what }, count);
		const status = await Promise.race([
			context.keys.status().catch(() => undefined),
			new Promise<undefined>((done) =>
				setTimeout(() => done(undefined), ASK_TIMEOUT_MS).unref(),
			),
		]);
		for (const { isReady, isRevoked, sas } of status?.links ?? []) {
			const state = isRevoked ? "revoked" : isReady ? "ready" : "waiting";
			keyLinks.inc({ state });
			for (const { phase } of sas) keySas.inc({ phase });
		}
	}

	/** Counters live in the nodes: each scrape sets them anew. */
	function fill(answers: ReadonlyMap<string, NodeCounters>): void {
		const paths = pathViews(context.delivery.desired);
		const lengths = new Map(paths.map(({ spi, length }) => [spi, length]));
		for (const [node, counters] of answers) {
			const view = countersView(node, counters, paths);
			for (const { spi, si, policy, tenant, ...counted } of view.hops) {
				const labels = { node, spi, si, policy, tenant };
				add(hop, { ...labels, function: counted.function ?? "" }, counted);
				if (si === 255 - (lengths.get(spi) ?? Number.NaN)) {
					add(path, { spi, policy, tenant }, counted);
				}
			}
			for (const { toFunction, fromFunction, ...labels } of view.ports) {
				add(port, { node, ...labels, direction: "to" }, toFunction);
				add(port, { node, ...labels, direction: "from" }, fromFunction);
			}
			for (const { function: name, instance, what, count } of view.verdicts) {
				verdict.inc({ node, function: name, instance, what }, count);
			}
			states.set({ node }, counters.states.entries);
			statesCapacity.set({ node }, counters.states.capacity);
			for (const { reason, ...counted } of view.drops) {
				add(drop, { node, reason }, counted);
			}
			for (const direction of ["out", "in"] as const) {
				const { refused, ...counted } = counters.ef?.[direction] ?? NOTHING;
				if (counters.ef) add(ef, { node, direction }, counted);
				for (const [reason, count] of Object.entries(refused))
					efRefused.inc({ node, direction, reason }, count);
			}
		}
	}

	return {
		contentType: registry.contentType,
		async scrape() {
			const { answers } = await askCounters(context.fleet, ASK_TIMEOUT_MS);
			registry.resetMetrics();
			fill(answers);
			await fillKeys();
			revision.set(context.delivery.revision);
			agents.set(context.fleet.connected().length);
			for (const node of context.delivery.desired.keys()) {
				const report = context.fleet.report(node);
				nodeRevision.set({ node }, report?.revision ?? 0);
				const ef = report?.status?.ef;
				if (ef) efUp.set({ node }, Number(ef.state === "up" && ef.connected));
				for (const item of report?.status?.instances ?? []) {
					const { function: name, instance, state } = item;
					up.set({ node, function: name, instance }, Number(state === "up"));
				}
			}
			return registry.metrics();
		},
	};
}

function add<L extends string>(
	into: { packets: Counter<L>; bytes: Counter<L> },
	labels: Record<string, string | number>,
	counted: { packets: number; bytes: number },
): void {
	const typed = labels as Partial<Record<L, string | number>>;
	into.packets.inc(typed, counted.packets);
	into.bytes.inc(typed, counted.bytes);
}
