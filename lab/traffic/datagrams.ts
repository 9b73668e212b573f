/** Sends and receives single UDP datagrams in a lab host, byte by byte known. */
import type { Host } from "../lab.js";
import type { LabProcess } from "../process.js";
import { startProgram } from "./program.js";

export interface Datagram {
	readonly from: string;
	readonly port: number;
	readonly data: Buffer;
}

export class Datagrams {
	readonly #program: LabProcess;
	/** Lines of output that were read; the first says that the socket is open. */
	#read = 1;

	private constructor(program: LabProcess) {
		this.#program = program;
	}

	/** Opens a socket bound to an address and port of the host. */
	static async open(
		host: Host,
		address: string,
		port: number,
	): Promise<Datagrams> {
		const program = startProgram(host, "datagrams", { address, port });
		await program.waitFor(/^open\n/);
		return new Datagrams(program);
	}

	send(data: Uint8Array, to: string, port: number): void {
		const line = { to, port, hex: Buffer.from(data).toString("hex") };
		this.#program.stdin?.write(`${JSON.stringify(line)}\n`);
	}

	/** The next datagram that was not taken yet; fails when none comes in time. */
	async next(timeoutMs = 5000): Promise<Datagram> {
		const line = new RegExp(`^(?:.*\\n){${this.#read}}(\\{.*\\})\\n`);
		const match = await this.#program.waitFor(line, timeoutMs);
		this.#read++;
		const { from, port, hex } = JSON.parse(match[1] ?? "") as {
			from: string;
			port: number;
			hex: string;
		};
		return { from, port, data: Buffer.from(hex, "hex") };
	}

	async close(): Promise<void> {
		await this.#program.stop();
	}
}
