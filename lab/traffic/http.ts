/** An HTTP server in a lab host, and curl as its client. */
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";
import { startProgram } from "./program.js";

export interface HttpServer {
	readonly process: LabProcess;
}

/** Serves `GET /` ("chainmail lab") and `GET /bytes/N` on an address and port. */
export async function startHttpServer(
	host: Host,
	address: string,
	port: number,
): Promise<HttpServer> {
	const process = startProgram(host, "http-server", { address, port });
	await process.waitFor(/listening/);
	return { process };
}

export interface CurlResult {
	/** HTTP status; 0 when no answer came. */
	readonly status: number;
	readonly bytes: number;
	readonly seconds: number;
	/** What curl says when there is no answer. */
	readonly error: string;
}

/** One request; `timeoutMs` covers connecting and answering. */
export async function curl(
	from: Host,
	url: string,
	timeoutMs = 3000,
): Promise<CurlResult> {
	const { stdout, stderr } = await from.run([
		"curl",
		"--silent",
		"--show-error",
		"--noproxy",
		"*",
		"--globoff",
		"--output",
		"/dev/null",
		"--max-time",
		String(timeoutMs / 1000),
		"--write-out",
		"%{http_code} %{size_download} %{time_total}",
		url,
	]);
	const [status, bytes, seconds] = stdout.trim().split(" ").map(Number);
	return {
		status: status ?? 0,
		bytes: bytes ?? 0,
		seconds: seconds ?? 0,
		error: stderr.trim(),
	};
}
