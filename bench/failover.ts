/**
 * How long a flow is without its function when an instance dies silently: from
 * its last packet through it to its first one through the standby. A probe every
 * 10 ms finds the failure.
 */
import { setTimeout as delay } from "node:timers/promises";
import { cut } from "../lab/break-function.js";
import { lineAddresses } from "../lab/topologies/line.js";
import { startUdpStream } from "../lab/traffic/udp-stream.js";
import { type Figure, median, round } from "./lib/figure.js";
import type { Measurement } from "./lib/report.js";
import { Chainmail } from "./systems/chainmail.js";
import type { FirewallSpec } from "./systems/functions.js";

const NODE = "node";
const RUNS = 11;
const RATE = 10_000;
const PORT = 6000;
/** Of the stream, before the failure and after it. */
const CALM_MS = 300;
const STANDBY = "b";
const FAILING = { node: NODE, function: "firewall-1", instance: "a" };

const PAIR: FirewallSpec = {
	probe: { proto: "udp", dport: 7, intervalMs: 10 },
	instances: [
		{ name: "a", node: NODE },
		{ name: STANDBY, node: NODE, standby: true },
	],
	ruleset: {
		text: `table inet f {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		meta l4proto icmp accept
		udp dport { 7, ${PORT} } accept
	}
}
`,
	},
};

export async function failover(): Promise<Measurement> {
	return {
		figures: [
			...(await outages("a flow whose packets all see it", "none")),
			...(await outages("a flow whose verdict is learned", "verdict")),
		],
	};
}

async function outages(
	flow: string,
	offload: "none" | "verdict",
): Promise<Figure[]> {
	const system = await Chainmail.open([NODE], [NODE], { ...PAIR, offload });
	try {
		const outagesMs: number[] = [];
		const calmMs: number[] = [];
		while (outagesMs.length < RUNS) {
			calmMs.push((await silence(system, () => delay(CALM_MS))).ms);
			outagesMs.push(await outage(system));
		}
		const figure = (which: string, of: (ms: number[]) => number): Figure => ({
			figure: `failover of ${flow}, ${which} (baseline: without a failure)`,
			value: round(of(outagesMs)),
			unit: "ms",
			baseline: round(of(calmMs)),
			reach: "<= 100",
			runs: RUNS,
		});
		return [
			figure("median", median),
			figure("longest", (ms) => Math.max(...ms)),
		];
	} finally {
		await system.close();
	}
}

/** Longest silence of a stream around a failure, ms; all is mended in the end. */
async function outage(system: Chainmail): Promise<number> {
	const before = passed(system, STANDBY);
	const { ms, result: mend } = await silence(system, async () => {
		const taken = system.nextEvent("failover");
		const mend = await cut(system.lab, FAILING);
		await taken;
		return mend;
	});
	if (passed(system, STANDBY) === before)
		throw new Error("failover: no packet went through the standby");
	const back = system.nextEvent("failover");
	await mend();
	await back;
	return ms;
}

/** Longest time between two packets that arrive, while something happens. */
async function silence<T>(
	system: Chainmail,
	happens: () => Promise<T>,
): Promise<{ readonly ms: number; readonly result: T }> {
	const stream = await startUdpStream({
		from: system.user,
		to: system.server,
		address: lineAddresses.server,
		port: PORT,
		rate: RATE,
	});
	await delay(CALM_MS);
	const result = await happens();
	await delay(CALM_MS);
	return { ms: (await stream.stop()).longestGapMs, result };
}

/** Packets an instance gave back so far. */
function passed(system: Chainmail, instance: string): number {
	return system
		.node(NODE)
		.counters()
		.ports.filter((port) => port.instance === instance)
		.reduce((sum, { fromFunction }) => sum + fromFunction.packets, 0);
}
