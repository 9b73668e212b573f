/** Drives one kind of traffic after the other and tells which hops it met. */
import { join } from "node:path";
import type { HopView, PathView } from "../../src/api/schemas.js";
import { hopName } from "../../src/cli/columns.js";
import { type Column, table } from "../../src/cli/table.js";
import type { Installation } from "../installation.js";
import type { Lab } from "../lab.js";
import { mobileEdgeAddresses as at } from "../topologies/mobile-edge.js";
import { curl } from "../traffic/http.js";
import { iperf } from "../traffic/iperf.js";
import { ping } from "../traffic/ping.js";
import { programCommand } from "../traffic/program.js";
import { bitRate, type Report } from "./report.js";

export interface DrivenFlow {
	readonly name: string;
	/** What came of it, and whether it is what was expected. */
	readonly result: string;
	readonly good: boolean;
	readonly hops: readonly HopDelta[];
}

interface HopDelta {
	readonly spi: number;
	readonly reverseSpi: number;
	readonly direction: PathView["direction"];
	readonly kind: HopView["kind"];
	/** Name of the instance, or what else it does. */
	readonly hop: string;
	readonly node: string;
	readonly packets: number;
}

interface Driven {
	readonly result: string;
	readonly good: boolean;
}

/** Servers the demo talks to; they run as long as the lab, also a kept one. */
export async function startServers(lab: Lab, directory: string): Promise<void> {
	const server = lab.host("server");
	const http = (address: string, port: number) =>
		server.startDetached(
			programCommand("http-server", { address, port }),
			join(directory, `http-${port}.log`),
			/listening/,
		);
	await Promise.all([
		server.startDetached(
			["iperf3", "-s", "--forceflush"],
			join(directory, "iperf3.log"),
			/Server listening/,
		),
		http("::", 80),
		http(at.server, 8080),
	]);
}

/** One flow after the other, so that what the hops count belongs to one. */
export async function driveFlows(
	lab: Lab,
	installation: Installation,
): Promise<DrivenFlow[]> {
	const user = lab.host("user");
	const drivers: readonly [name: string, drive: () => Promise<Driven>][] = [
		[
			"TCP (iperf3)",
			async () => {
				const { bitsPerSecond, bytes } = await iperf({
					from: user,
					address: at.server,
					seconds: 2,
				});
				return { result: bitRate(bitsPerSecond), good: bytes > 0 };
			},
		],
		["HTTP over IPv4", () => fetched(`http://${at.server}/bytes/1000000`)],
		["HTTP over IPv6", () => fetched(`http://[${at.server6}]/bytes/1000000`)],
		["ping over IPv4", () => pinged(at.server)],
		["ping over IPv6", () => pinged(at.server6)],
	];
	const fetched = async (url: string): Promise<Driven> => {
		const { status, bytes, error } = await curl(user, url);
		return {
			result: status === 200 ? `200, ${bytes} bytes` : error,
			good: status === 200 && bytes === 1_000_000,
		};
	};
	const pinged = async (address: string): Promise<Driven> => {
		const { sent, received, averageMs } = await ping(user, address);
		return {
			result: `${received} of ${sent}, ${averageMs ?? "-"} ms`,
			good: received === sent,
		};
	};
	const flows: DrivenFlow[] = [];
	for (const [name, drive] of drivers) {
		const before = await hopCounts(installation);
		const driven = await drive().catch((error: Error) => ({
			result: error.message,
			good: false,
		}));
		const after = await hopCounts(installation);
		flows.push({ name, ...driven, hops: usedHops(before, after) });
	}
	return flows;
}

/** A row a flow and direction, with what each hop counted of it. */
export function showFlows(report: Report, flows: readonly DrivenFlow[]): void {
	interface Row {
		readonly flow: string;
		readonly result: string;
		readonly way: string;
		readonly hops: string;
	}
	const columns: readonly Column<Row>[] = [
		{ title: "FLOW", value: (row) => row.flow },
		{ title: "RESULT", value: (row) => row.result },
		{ title: "WAY", value: (row) => row.way },
		{ title: "HOPS AND THEIR NEW PACKETS", value: (row) => row.hops },
	];
	const rows = flows.flatMap((flow) =>
		(["forward", "reverse"] as const).map((direction, i) => ({
			// A space: an empty cell would be shown as absent.
			flow: i === 0 ? flow.name : " ",
			result: i === 0 ? flow.result : " ",
			way: direction === "forward" ? "to server" : "to user",
			hops: flow.hops
				.filter((hop) => hop.direction === direction && hop.kind !== "node")
				.map(({ hop, node, packets }) => `${hop}@${node} +${packets}`)
				.join(" > "),
		})),
	);
	report.say(table(columns, rows));
	for (const { name, result, good, hops } of flows) {
		report.check(good, `${name}: ${result}`);
		const idle = hops.filter(({ packets }) => packets <= 0);
		report.check(
			hops.length > 0 && idle.length === 0,
			`${name}: every hop's counters rose, both ways`,
			hops.length === 0
				? "it met no path"
				: `not at ${idle.map(({ hop, node, direction }) => `${hop}@${node} (${direction})`).join(", ")}`,
		);
	}
}

/** New packets of the hops of every path that was used, in both directions. */
function usedHops(
	before: readonly HopDelta[],
	after: readonly HopDelta[],
): HopDelta[] {
	const deltas = after.map((hop, i) => ({
		...hop,
		packets: hop.packets - (before[i]?.packets ?? 0),
	}));
	const used = new Set(
		deltas
			.filter(({ packets }) => packets > 0)
			.flatMap(({ spi, reverseSpi }) => [spi, reverseSpi]),
	);
	return deltas.filter(({ spi }) => used.has(spi));
}

async function hopCounts(installation: Installation): Promise<HopDelta[]> {
	const paths = await installation.json<PathView[]>(["get", "paths"]);
	return paths
		.filter(({ state }) => state === "active")
		.flatMap(({ spi, reverseSpi, direction, hops }) =>
			hops.map((hop) => ({
				spi,
				reverseSpi,
				direction,
				kind: hop.kind,
				hop: hop.instance ?? hopName(hop),
				node: hop.node,
				packets: hop.packets ?? 0,
			})),
		);
}
