/**
 * Door of the EF's process: a Unix socket for root alone. Whoever connects is told
 * how the EF is, at once, at each change and every second.
 */
import { chmodSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { EF_REQUESTS, type EfReport, type EfRequest } from "./report.js";

const TELL_MS = 1000;
/** Who does not read is cut off: bytes that may wait for him. */
const MAX_WAITING_BYTES = 1 << 22;
const HANDOVER_MS = 3000;

export interface ControlOptions {
	readonly path: string;
	/** Undefined while there is nothing to tell yet. */
	readonly report: () => EfReport | undefined;
	readonly onRequest: (request: EfRequest) => void;
}

export class Control {
	readonly #options: ControlOptions;
	readonly #server: Server;
	readonly #watchers = new Set<Socket>();
	readonly #timer: NodeJS.Timeout;

	private constructor(options: ControlOptions) {
		this.#options = options;
		this.#server = createServer((socket) => this.#serve(socket));
		this.#timer = setInterval(() => this.tell(), TELL_MS);
	}

	/** Takes the path over from whoever has it, who gives everything up. */
	static async open(options: ControlOptions): Promise<Control> {
		await relieve(options.path);
		const control = new Control(options);
		const { path } = options;
		await new Promise<void>((resolve, reject) => {
			control.#server.once("error", (error) =>
				reject(
					new Error(
						`listen on ${path}: ${error.message} (give the agent a shorter --state-dir?)`,
					),
				),
			);
			control.#server.listen(path, resolve);
		});
		chmodSync(path, 0o600);
		return control;
	}

	/** Tells all who listen how it is now. */
	tell(): void {
		if (this.#watchers.size === 0) return;
		const line = this.#line();
		if (line === undefined) return;
		for (const socket of this.#watchers) {
			if (socket.writableLength > MAX_WAITING_BYTES) socket.destroy();
			else socket.write(line);
		}
	}

	close(): void {
		clearInterval(this.#timer);
		this.#server.close();
		for (const socket of this.#watchers) socket.destroy();
	}

	#serve(socket: Socket): void {
		this.#watchers.add(socket);
		socket.on("error", () => {});
		socket.on("close", () => this.#watchers.delete(socket));
		createInterface(socket)
			.on("line", (line) => {
				const request = EF_REQUESTS.find((one) => one === line);
				if (request) this.#options.onRequest(request);
			})
			/* Of the socket again, as when an agent is killed: its loss alone. */
			.on("error", () => {});
		const line = this.#line();
		if (line !== undefined) socket.write(line);
	}

	#line(): string | undefined {
		const report = this.#options.report();
		return report && `${JSON.stringify(report)}\n`;
	}
}

/**
 * Ends a process that has the path still, as where an agent was killed before it
 * could note whom it started: two would encrypt every packet twice.
 */
async function relieve(path: string): Promise<void> {
	const ended = await new Promise<boolean>((resolve) => {
		const socket = connect(path);
		const timer = setTimeout(() => {
			resolve(false);
			socket.destroy();
		}, HANDOVER_MS);
		const done = (): void => {
			clearTimeout(timer);
			resolve(true);
		};
		socket.on("connect", () => socket.write("end\n"));
		socket.on("error", done);
		socket.on("close", done);
		socket.resume();
	});
	if (!ended)
		throw new Error(
			`listen on ${path}: another process has it and does not end (kill it)`,
		);
	rmSync(path, { force: true });
}
