/**
 * TCP requests of 64 random bytes, and their answers, which are checked:
 * connections that must survive changes.
 */
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";
import { lastJson, startProgram } from "./program.js";

export interface TcpResult {
	readonly answered: number;
	/** Refused, reset, or without the right answer in time. */
	readonly failed: number;
	/** Slowest answer in milliseconds. */
	readonly slowestMs: number;
}

export interface TcpRequestOptions {
	readonly from: Host;
	readonly address: string;
	readonly port: number;
	/** Requests to make; without it until `stop`. */
	readonly count?: number;
	/** A connection for each request (default: one for all). */
	readonly newConnections?: boolean;
	/** Port that all connections come from. */
	readonly sourcePort?: number;
	/** Connections end by a reset, so that their port is free at once. */
	readonly resets?: boolean;
	/** Milliseconds until a request counts as failed (default 2,000). */
	readonly timeoutMs?: number;
}

export interface TcpRequests {
	stop(): Promise<TcpResult>;
	finished(): Promise<TcpResult>;
}

export async function startTcpServer(
	host: Host,
	address: string,
	port: number,
): Promise<LabProcess> {
	const server = startProgram(host, "tcp-server", { address, port });
	await server.waitFor(/listening/);
	return server;
}

export async function startTcpRequests(
	options: TcpRequestOptions,
): Promise<TcpRequests> {
	const client = startProgram(options.from, "tcp-client", {
		address: options.address,
		port: options.port,
		count: options.count,
		newConnections: options.newConnections ?? false,
		sourcePort: options.sourcePort,
		resets: options.resets ?? false,
		timeoutMs: options.timeoutMs ?? 2000,
	});
	await client.waitFor(/asking/);
	const finished = async () => {
		await client.exited;
		return lastJson<TcpResult>(client);
	};
	return {
		async stop() {
			client.kill("SIGTERM");
			return finished();
		},
		finished,
	};
}
