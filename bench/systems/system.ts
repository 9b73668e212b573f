/**
 * What is compared: a user and a server with functions between them, and some
 * system that leads the user's traffic through the functions and back.
 */
import type { Host, Lab } from "../../lab/lab.js";
import { lineAddresses } from "../../lab/topologies/line.js";
import { iperf, startIperfServer } from "../../lab/traffic/iperf.js";
import { latency, startLatencyServer } from "../../lab/traffic/latency.js";
import { macOf, neighbour, packetRate } from "../../lab/traffic/packet-rate.js";
import { stamped } from "../lib/stamps.js";

/** Of one UDP flow, µs. */
export interface Transmission {
	/** From interface to interface, one way, by packet: the first 65,536. */
	readonly oneWayUs: readonly number[];
	/** Half the median round trip from program to program. */
	readonly halfUs: number;
}

export abstract class System {
	readonly lab: Lab;

	constructor(lab: Lab) {
		this.lab = lab;
	}

	get user(): Host {
		return this.lab.host("user");
	}

	get server(): Host {
		return this.lab.host("server");
	}

	/** Starts what measurements talk to, and sees that a ping passes. */
	async ready(): Promise<this> {
		await startIperfServer(this.server);
		await startLatencyServer(this.server, lineAddresses.server);
		await this.user.must(
			["ping", "-n", "-c", "3", "-i", "0.05", "-w", "5", lineAddresses.server],
			{ timeoutMs: 10_000 },
		);
		return this;
	}

	async close(): Promise<void> {
		await this.lab.destroy();
	}

	/** TCP throughput of so many connections together, Gbit/s. */
	async throughput(seconds = 1, streams = 1): Promise<number> {
		const { bitsPerSecond } = await iperf({
			from: this.user,
			address: lineAddresses.server,
			seconds,
			streams,
		});
		return bitsPerSecond / 1e9;
	}

	/** UDP packets of 64 bytes that arrive at full rate, thousands a second. */
	async packets(seconds = 1): Promise<number> {
		const { receivedPerSecond } = await packetRate({
			from: this.user,
			fromInterface: "eth0",
			to: this.server,
			toInterface: "eth0",
			src: lineAddresses.user,
			dst: lineAddresses.server,
			gateway: lineAddresses.userGateway,
			seconds,
		});
		return receivedPerSecond / 1000;
	}

	/** A new flow, whose messages wait for the answer to the one before. */
	async transmission(seconds = 1): Promise<Transmission> {
		const { result, timesUs } = await stamped(this.user, this.server, () =>
			latency(this.user, lineAddresses.server, { seconds, warmUp: false }),
		);
		return { oneWayUs: timesUs, halfUs: result.p50Us / 2 };
	}

	/** Median round-trip time of a UDP ping-pong, µs. */
	async roundTrip(seconds = 1): Promise<number> {
		return (await latency(this.user, lineAddresses.server, { seconds })).p50Us;
	}
}

/** Between which MACs a user's frames go to their first router. */
export async function gatewayMacs(
	user: Host,
): Promise<{ readonly src: string; readonly dst: string }> {
	return {
		src: await macOf(user, "eth0"),
		dst: await neighbour(user, lineAddresses.userGateway),
	};
}

/** Closes all, the last one first, also when one of them fails. */
export async function closeAll(systems: readonly System[]): Promise<void> {
	for (const system of [...systems].reverse())
		await system.close().catch((error: unknown) => console.error(error));
}
