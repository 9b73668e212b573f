/** Echo requests by ping, IPv4 and IPv6. */
import type { Host } from "../lab.js";

export interface PingResult {
	readonly sent: number;
	readonly received: number;
	/** Milliseconds; absent when nothing came back. */
	readonly averageMs?: number;
}

export interface PingOptions {
	readonly count?: number;
	/** Seconds between requests (default 0.05). */
	readonly interval?: number;
	/** Bytes of payload. */
	readonly size?: number;
	/** `do`: never fragment, and report what is too big. */
	readonly mtuDiscovery?: "do" | "dont";
}

export async function ping(
	from: Host,
	address: string,
	options: PingOptions = {},
): Promise<PingResult> {
	const { stdout, stderr } = await from.run([
		"ping",
		"-n",
		"-q",
		"-c",
		String(options.count ?? 5),
		"-i",
		String(options.interval ?? 0.05),
		"-W",
		"1",
		...(options.size === undefined ? [] : ["-s", String(options.size)]),
		...(options.mtuDiscovery === undefined ? [] : ["-M", options.mtuDiscovery]),
		address,
	]);
	return parsePing(stdout, stderr);
}

export function parsePing(stdout: string, stderr = ""): PingResult {
	const counts = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
	if (counts === null)
		throw new Error(`ping: ${(stderr || stdout).trim() || "no output"}`);
	const average = /= [\d.]+\/([\d.]+)\//.exec(stdout);
	return {
		sent: Number(counts[1]),
		received: Number(counts[2]),
		...(average === null ? {} : { averageMs: Number(average[1]) }),
	};
}
