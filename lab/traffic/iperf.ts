/** TCP throughput by iperf3. */
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";

export interface IperfOptions {
	readonly from: Host;
	readonly address: string;
	/** Seconds (default 2). */
	readonly seconds?: number;
	/** Connections side by side (default 1). */
	readonly streams?: number;
	/** TCP port (default 5201). */
	readonly port?: number;
	/** The server sends instead of the client. */
	readonly reverse?: boolean;
}

export interface IperfResult {
	/** As the receiver counted. */
	readonly bitsPerSecond: number;
	readonly bytes: number;
	readonly retransmits: number;
	readonly seconds: number;
}

interface IperfJson {
	readonly error?: string;
	readonly end?: {
		readonly sum_received?: {
			readonly bits_per_second: number;
			readonly bytes: number;
			readonly seconds: number;
		};
		readonly sum_sent?: { readonly retransmits?: number };
	};
}

/** Starts a server that serves one client after another. */
export async function startIperfServer(
	host: Host,
	port = 5201,
): Promise<LabProcess> {
	const server = host.start([
		"iperf3",
		"-s",
		"-p",
		String(port),
		"--forceflush",
	]);
	await server.waitFor(/Server listening/);
	return server;
}

export function iperfCommand(options: IperfOptions): string[] {
	return [
		"iperf3",
		"--json",
		"--connect-timeout",
		"3000",
		"-c",
		options.address,
		"-p",
		String(options.port ?? 5201),
		"-t",
		String(options.seconds ?? 2),
		"-P",
		String(options.streams ?? 1),
		...(options.reverse === true ? ["-R"] : []),
	];
}

/** Runs a client to its end; needs a server there. */
export async function iperf(options: IperfOptions): Promise<IperfResult> {
	const { stdout, stderr } = await options.from.run(iperfCommand(options), {
		timeoutMs: ((options.seconds ?? 2) + 20) * 1000,
	});
	return parseIperf(stdout, stderr);
}

/** Reads iperf3's JSON; an error in it becomes an exception. */
export function parseIperf(stdout: string, stderr = ""): IperfResult {
	let json: IperfJson;
	try {
		json = JSON.parse(stdout) as IperfJson;
	} catch {
		throw new Error(`iperf3: no JSON: ${(stderr || stdout).slice(0, 500)}`);
	}
	const received = json.end?.sum_received;
	if (json.error !== undefined || received === undefined)
		throw new Error(`iperf3: ${json.error ?? "no result in its output"}`);
	return {
		bitsPerSecond: received.bits_per_second,
		bytes: received.bytes,
		seconds: received.seconds,
		retransmits: json.end?.sum_sent?.retransmits ?? 0,
	};
}
