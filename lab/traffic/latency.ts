/** Round-trip times by sockperf ping-pong over UDP. */
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";

export interface LatencyResult {
	/** Microseconds of a whole round trip (sockperf itself reports halves). */
	readonly p50Us: number;
	readonly p99Us: number;
	readonly meanUs: number;
	readonly observations: number;
}

export async function startLatencyServer(
	host: Host,
	address: string,
	port = 11_111,
): Promise<LabProcess> {
	const server = host.start([
		"sockperf",
		"server",
		"-i",
		address,
		"-p",
		String(port),
	]);
	await server.waitFor(/to block on socket|\[SERVER\] listen/i);
	return server;
}

/**
 * Measures for `seconds` (0.4 s of warm-up are added by sockperf). Without
 * `warmUp` the first message of all is the flow's own first one.
 */
export async function latency(
	from: Host,
	address: string,
	{ seconds = 1, port = 11_111, size = 64, warmUp = true } = {},
): Promise<LatencyResult> {
	const argv = ["sockperf", "ping-pong", "-i", address, "-p", String(port)];
	if (!warmUp) argv.push("--dontwarmup");
	const output = await from.must(
		[...argv, "-t", String(seconds), "-m", String(size)],
		{ timeoutMs: (seconds + 20) * 1000 },
	);
	return parseLatency(output);
}

export function parseLatency(output: string): LatencyResult {
	const halves = (pattern: RegExp): number => {
		const value = Number(pattern.exec(output)?.[1]);
		if (!Number.isFinite(value))
			throw new Error(
				`sockperf: no ${pattern.source} in its output (no answer from the server?)`,
			);
		return value;
	};
	return {
		p50Us: 2 * halves(/percentile 50\.000 = +([\d.]+)/),
		p99Us: 2 * halves(/percentile 99\.000 = +([\d.]+)/),
		meanUs: 2 * halves(/Latency is ([\d.]+)/),
		observations: halves(/Total (\d+) observations/),
	};
}
