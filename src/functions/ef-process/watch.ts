/** The agent's side of control.ts: follows how the EF is, whatever becomes of it. */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { EfReport, EfRequest } from "./report.js";

const RETRY_MS = 100;
/** It tells every second: this much silence means that it hangs. */
export const SILENCE_MS = 5000;

export class EfWatch {
	readonly #path: string;
	readonly #changed: (report: EfReport | undefined) => void;
	#socket: Socket | undefined;
	#timer: NodeJS.Timeout | undefined;
	#report: EfReport | undefined;
	#heardMs = 0;
	#closed = false;

	/** `changed` is given each report; undefined: nobody is there any more. */
	constructor(path: string, changed: (report: EfReport | undefined) => void) {
		this.#path = path;
		this.#changed = changed;
		this.#connect();
	}

	/** The newest; undefined while nobody tells. */
	get report(): EfReport | undefined {
		return performance.now() - this.#heardMs > SILENCE_MS
			? undefined
			: this.#report;
	}

	/** Dropped while nobody is there, who will read its files when he starts. */
	ask(request: EfRequest): void {
		this.#socket?.write(`${request}\n`);
	}

	close(): void {
		this.#closed = true;
		clearTimeout(this.#timer);
		this.#socket?.destroy();
	}

	#connect(): void {
		const socket = connect(this.#path);
		socket.on("connect", () => {
			this.#socket = socket;
			/* Files may have changed since it read them. */
			this.ask("reload");
		});
		createInterface(socket)
			.on("line", (line) => this.#hear(line))
			.on("error", () => {});
		socket.on("error", () => {});
		socket.on("close", () => {
			this.#socket = undefined;
			if (this.#closed) return;
			this.#timer = setTimeout(() => this.#connect(), RETRY_MS);
			if (!this.#report) return;
			this.#report = undefined;
			this.#changed(undefined);
		});
	}

	#hear(line: string): void {
		this.#heardMs = performance.now();
		this.#report = JSON.parse(line) as EfReport;
		this.#changed(this.#report);
	}
}
