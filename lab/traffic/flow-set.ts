/** Many flows at once, each of which can be asked whether it still goes on. */
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";
import { startProgram } from "./program.js";

export interface FlowSetOptions {
	readonly from: Host;
	readonly to: Host;
	/** Where the server listens, for UDP and TCP. */
	readonly address: string;
	readonly port: number;
	/** How many flows of each kind. */
	readonly udp: number;
	readonly tcp: number;
}

export class FlowSet {
	readonly #client: LabProcess;
	readonly #server: LabProcess;
	#asked = 0;

	private constructor(client: LabProcess, server: LabProcess) {
		this.#client = client;
		this.#server = server;
	}

	/** Starts the server and opens all flows; TCP connections stand. */
	static async open(options: FlowSetOptions): Promise<FlowSet> {
		const { from, to, ...rest } = options;
		const server = startProgram(to, "echo-server", rest);
		await server.waitFor(/listening/);
		const client = startProgram(from, "flow-set", rest);
		await client.waitFor(/"open"/);
		return new FlowSet(client, server);
	}

	/** Has every flow send something; how many were answered in time. */
	async ask(timeoutMs: number): Promise<number> {
		const asked = ++this.#asked;
		this.#client.stdin?.write(`${JSON.stringify({ timeoutMs })}\n`);
		const [, answered] = await this.#client.waitFor(
			new RegExp(`"asked":${asked},"answered":(\\d+)`),
			timeoutMs + 5000,
		);
		return Number(answered);
	}

	/** The first error that a connection ended with, at each end. */
	async ended(): Promise<{ client: string; server: string }> {
		const [client, server] = await Promise.all(
			[this.#client, this.#server].map((one) => one.waitFor(/"ended":"(\w+)"/)),
		);
		return { client: client?.[1] ?? "", server: server?.[1] ?? "" };
	}

	async close(): Promise<void> {
		await this.#client.stop();
		await this.#server.stop();
	}
}
