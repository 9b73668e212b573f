/** Load that must not notice anything: one TCP connection, numbered UDP packets. */
import assert from "node:assert/strict";
import type { Lab } from "../../lab/lab.js";
import type { LabProcess } from "../../lab/process.js";
import { mobileEdgeAddresses as at } from "../../lab/topologies/mobile-edge.js";
import { iperfCommand, startIperfServer } from "../../lab/traffic/iperf.js";
import { startUdpStream } from "../../lab/traffic/udp-stream.js";
import { counters, type Edge } from "./mobile-edge.js";

const RATE = 1000;
/** Leaves the machine time for what is tested. */
const BIT_RATE = "200M";
/** Longer than any test: it is ended by a signal. */
const IPERF_SECONDS = 600;

interface IperfReport {
	readonly error?: string;
	readonly intervals: readonly {
		readonly streams: readonly { readonly socket: number }[];
		readonly sum: { readonly bytes: number; readonly seconds: number };
	}[];
}

/** An iperf3 connection from the user to the server that runs until `end`. */
export class Connection {
	readonly #client: LabProcess;

	private constructor(client: LabProcess) {
		this.#client = client;
	}

	static async start(lab: Lab): Promise<Connection> {
		await startIperfServer(lab.host("server"));
		const from = lab.host("user");
		return new Connection(
			from.start([
				...iperfCommand({ from, address: at.server, seconds: IPERF_SECONDS }),
				"--bitrate",
				BIT_RATE,
			]),
		);
	}

	get running(): boolean {
		return this.#client.running;
	}

	/** Ends it; asserts that it never broke and never stood still for a second. */
	async end(): Promise<void> {
		assert.ok(this.running, `iperf3 ended: ${this.#client.stdout}`);
		await this.#client.stop("SIGINT", 10_000);
		const report = JSON.parse(this.#client.stdout) as IperfReport;
		assert.match(report.error ?? "", /^interrupt/, "only the test ended it");
		assert.ok(report.intervals.length > 0, "it ran");
		assert.equal(
			new Set(
				report.intervals.flatMap(({ streams }) => streams.map((s) => s.socket)),
			).size,
			1,
			"one connection",
		);
		for (const [second, { sum }] of report.intervals.entries())
			assert.ok(
				sum.bytes > 0 || sum.seconds < 1,
				`second ${second} carried nothing`,
			);
	}
}

/**
 * Sends 1,000 numbered packets a second from the user to the server and back
 * while `action` runs; asserts that not one got lost either way.
 */
export async function losesNothing<T>(
	edge: Edge,
	action: () => Promise<T>,
): Promise<T> {
	const { lab } = edge;
	const stream = await startUdpStream({
		from: lab.host("user"),
		to: lab.host("server"),
		address: at.server,
		port: 5201,
		rate: RATE,
		echo: true,
	});
	let value: T;
	try {
		value = await action();
	} catch (error) {
		await stream.stop();
		throw error;
	}
	const udp = await stream.stop();
	assert.ok(udp.sent > 100, JSON.stringify(udp));
	assert.deepEqual(
		[udp.lost, udp.lostBothWays],
		[0, 0],
		`packets lost: ${JSON.stringify({ ...udp, drops: await drops(edge) })}`,
	);
	return value;
}

async function drops(edge: Edge): Promise<string[]> {
	return (await counters(edge)).flatMap(({ node, drops }) =>
		drops
			.filter(({ packets }) => packets > 0)
			.map(({ reason, packets }) => `${node}: ${reason} ${packets}`),
	);
}
