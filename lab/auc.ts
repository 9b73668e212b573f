/** An authentication centre in a host of a lab, in a process of its own. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AucStatus } from "../src/controller/auc/authority.js";
import { AUC_PORT } from "../src/keys/enrol-messages.js";
import type { Lifetime, Link } from "../src/keys/sa.js";
import { linksOf } from "../src/plan/links.js";
import type { AucAddress } from "../src/plan/protocol.js";
import type { NodeState } from "../src/plan/state.js";
import type { Lab } from "./lab.js";
import type { LabProcess } from "./process.js";

export interface AucProgramOptions {
	readonly directory: string;
	readonly host: string;
}

export type AucOrder =
	| { readonly do: "enrol"; readonly node: string; readonly key: string }
	| { readonly do: "declare"; readonly links: readonly Link[] }
	| {
			readonly do: "ready";
			readonly links: readonly Link[];
			readonly timeoutMs: number;
	  }
	| { readonly do: "rekey" | "revoke"; readonly node: string }
	| { readonly do: "status" | "keys" };

/** The key of an SA, hexadecimal, salt behind it. */
export interface ExportedKey {
	readonly spi: number;
	readonly key: string;
}

export interface LabAucOptions {
	readonly lab: Lab;
	readonly host: string;
	/** Of the host, where EFs reach it. */
	readonly address: string;
	/** Of each key; long ones where absent. */
	readonly lifetime?: Partial<Lifetime>;
}

const LIFETIME: Lifetime = { timeMs: 3_600_000, bytes: 1e12, packets: 1e9 };
const PROGRAM = fileURLToPath(new URL("auc-program.js", import.meta.url));

export class LabAuc {
	readonly #options: LabAucOptions;
	readonly #directory: string;
	#process: LabProcess | undefined;
	#lastId = 0;
	#links: readonly Link[] = [];

	private constructor(options: LabAucOptions) {
		this.#options = options;
		this.#directory = mkdtempSync(
			join(tmpdir(), `chainmail-${options.lab.run}-auc-`),
		);
		options.lab.removeWithLab(this.#directory);
	}

	static async start(options: LabAucOptions): Promise<LabAuc> {
		const auc = new LabAuc(options);
		await auc.start();
		return auc;
	}

	/** Starts it, with what it remembers, where it was killed. */
	async start(): Promise<void> {
		const { lab, host, address } = this.#options;
		const started = lab.host(host).start([process.execPath, PROGRAM]);
		const told: AucProgramOptions = {
			directory: this.#directory,
			host: address,
		};
		started.stdin?.write(`${JSON.stringify(told)}\n`);
		await started.waitFor(/ready/);
		this.#process = started;
	}

	async kill(): Promise<void> {
		await this.#process?.stop("SIGKILL");
		this.#process = undefined;
	}

	get address(): Required<AucAddress> {
		return { host: this.#options.address, port: AUC_PORT };
	}

	enrol(node: string, key: Buffer): void {
		void this.#ask({ do: "enrol", node, key: key.toString("base64") });
	}

	/** All links of these states, and no others. */
	async declare(states: Iterable<NodeState>): Promise<void> {
		this.#links = linksOf(states).map(
			({ transform, lifetime, ...link }): Link => ({
				...link,
				algorithm: transform,
				extSeqNum: true,
				antiReplayWindowSize: 1024,
				hard: {
					...LIFETIME,
					...this.#options.lifetime,
					...(lifetime?.seconds && { timeMs: lifetime.seconds * 1000 }),
				},
			}),
		);
		await this.#ask({ do: "declare", links: this.#links });
	}

	/** Throws where a link has no SA in use after so long. */
	async ready(timeoutMs = 15_000): Promise<void> {
		const missing = await this.#ask({
			do: "ready",
			links: this.#links,
			timeoutMs,
		});
		if (missing !== 0)
			throw new Error(
				`auc: ${missing} of ${this.#links.length} links have no keys after ${timeoutMs} ms: ${this.#process?.stderr}`,
			);
	}

	/** Every key that was issued so far, where all links encrypt; no real centre tells. */
	async keys(): Promise<readonly ExportedKey[]> {
		return (await this.#ask({ do: "keys" })) as ExportedKey[];
	}

	async rekey(node: string): Promise<void> {
		await this.#ask({ do: "rekey", node });
	}

	async status(): Promise<AucStatus> {
		return (await this.#ask({ do: "status" })) as AucStatus;
	}

	#ask(order: AucOrder): Promise<unknown> {
		const running = this.#process;
		if (!running) throw new Error("auc: it does not run");
		const id = ++this.#lastId;
		running.stdin?.write(`${JSON.stringify({ id, ...order })}\n`);
		return running
			.waitFor(new RegExp(`^\\{"id":${id}[,}].*$`, "m"), 30_000)
			.then(([line]) => (JSON.parse(line) as { answer?: unknown }).answer);
	}
}
