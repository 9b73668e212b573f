/** What Prometheus reads: the nodes' counters, asked for at each scrape. */
import { Counter, Gauge, Registry } from "prom-client";
import type { NodeCounters } from "../plan/protocol.js";
import { askCounters } from "./ask.js";
import type { Context } from "./context.js";
import { countersView, pathViews } from "./views.js";

/** Shorter than any scrape timeout: a node that hangs must not hide the others. */
const ASK_TIMEOUT_MS = 2000;

export interface Metrics {
	readonly contentType: string;
	scrape(): Promise<string>;
}

export function createMetrics(context: Context): Metrics {
	const registers = [new Registry()] as const;
	const [registry] = registers;
	const counter = <L extends string>(name: string, help: string, labels: L[]) =>
		new Counter({ name, help, labelNames: labels, registers: [...registers] });
	const gauge = <L extends string>(name: string, help: string, labels: L[]) =>
		new Gauge({ name, help, labelNames: labels, registers: [...registers] });

	const hopLabels = ["node", "spi", "si", "policy", "tenant", "function"];
	const portLabels = [
		"node",
		"function",
		"instance",
		"port",
		"side",
		"direction",
	];
	const hop = pair("chainmail_hop", "a path's hop", hopLabels);
	const path = pair("chainmail_path", "leaving a path at its exit", [
		"spi",
		"policy",
		"tenant",
	]);
	const port = pair("chainmail_port", "given to and from a port", portLabels);
	const drop = pair("chainmail_drop", "dropped, by reason", ["node", "reason"]);
	const revision = gauge("chainmail_revision", "Newest revision sent", []);
	const nodeRevision = gauge(
		"chainmail_node_revision",
		"Newest revision the node acknowledged",
		["node"],
	);
	const agents = gauge("chainmail_agents_connected", "Agents connected", []);
	const up = gauge("chainmail_instance_up", "1: the instance is up", [
		"node",
		"function",
		"instance",
	]);

	function pair<L extends string>(name: string, what: string, labels: L[]) {
		return {
			packets: counter(`${name}_packets_total`, `Packets: ${what}`, labels),
			bytes: counter(`${name}_bytes_total`, `Bytes: ${what}`, labels),
		};
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
			for (const { reason, ...counted } of view.drops) {
				add(drop, { node, reason }, counted);
			}
		}
	}

	return {
		contentType: registry.contentType,
		async scrape() {
			const { answers } = await askCounters(context.fleet, ASK_TIMEOUT_MS);
			registry.resetMetrics();
			fill(answers);
			revision.set(context.delivery.revision);
			agents.set(context.fleet.connected().length);
			for (const node of context.delivery.desired.keys()) {
				const report = context.fleet.report(node);
				nodeRevision.set({ node }, report?.revision ?? 0);
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
