/** A paced UDP stream between two lab hosts that counts what got lost. */
import { randomInt } from "node:crypto";
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";
import { lastJson, startProgram } from "./program.js";
import type { StreamReport } from "./udp-wire.js";

export interface UdpStreamOptions {
	readonly from: Host;
	readonly to: Host;
	/** Address of the receiver. */
	readonly address: string;
	readonly port: number;
	/** Packets a second (default 1,000). */
	readonly rate?: number;
	/** Bytes of payload, 8 or more (default 64). */
	readonly size?: number;
	/** Begins what the payload has behind its header, as far as it fits. */
	readonly marker?: string;
	/** Packets to send; without it until `stop`. */
	readonly count?: number;
	/** The receiver returns each packet, which tests both directions. */
	readonly echo?: boolean;
	readonly sourcePort?: number;
}

export interface UdpResult extends StreamReport {
	readonly sent: number;
	/** Sent and not received. */
	readonly lost: number;
	/** With `echo`: packets that came home, and those that did not. */
	readonly returned: number;
	readonly lostBothWays: number;
	/** Lost in the receiving host itself, because the machine was too busy. */
	readonly bufferErrors: number;
}

export interface UdpStream {
	/** Ends the stream and judges it. */
	stop(): Promise<UdpResult>;
	/** Waits until `count` packets are out and judges them. */
	finished(): Promise<UdpResult>;
}

/** How long a receiver waits for the end of a stream whose path is blocked. */
const END_LOST_MS = 500;

/** Returns once both ends run and packets flow. */
export async function startUdpStream(
	options: UdpStreamOptions,
): Promise<UdpStream> {
	const { from, to, address, port, echo = false } = options;
	const stream = randomInt(2 ** 32);
	const receiver = startProgram(to, "udp-receiver", {
		address,
		port,
		stream,
		echo,
	});
	await receiver.waitFor(/listening/);
	const sender = startProgram(from, "udp-sender", {
		address,
		port,
		stream,
		rate: options.rate ?? 1000,
		size: options.size ?? 64,
		marker: options.marker,
		count: options.count,
		sourcePort: options.sourcePort,
	});
	await sender.waitFor(/sending/);
	return {
		async stop() {
			sender.kill("SIGTERM");
			return judge(sender, receiver);
		},
		finished: () => judge(sender, receiver),
	};
}

async function judge(
	sender: LabProcess,
	receiver: LabProcess,
): Promise<UdpResult> {
	await sender.exited;
	const ended = setTimeout(() => receiver.kill("SIGTERM"), END_LOST_MS);
	await receiver.exited;
	clearTimeout(ended);
	const { sent, returned } = lastJson<{ sent: number; returned: number }>(
		sender,
	);
	const report = lastJson<StreamReport & { bufferErrors: number }>(receiver);
	return {
		...report,
		sent,
		returned,
		lost: sent - report.received,
		lostBothWays: sent - returned,
	};
}
