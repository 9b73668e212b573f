/**
 * The process of a node's encryption function (EF): engine, keys, and a door for
 * the agent, put together. It needs neither agent nor controller to go on.
 */
import type { Tuning } from "../../keys/tuning.js";
import { type EfConfig, efFiles, readConfig } from "./config.js";
import { Control } from "./control.js";
import { type OpenEngine, openEngine } from "./engine.js";
import type { Keys } from "./keys.js";
import { BEAT_MS, Liveness } from "./liveness.js";
import type { EfReport, EfRequest } from "./report.js";

export interface EfProcessOptions {
	/** Of the EF's files, mode 0700. */
	readonly directory: string;
	readonly tuning?: Tuning;
	/** One line of what happens, without secrets. */
	readonly log: (line: string) => void;
	/** It works no more: whoever started it starts another. */
	readonly onEnd: (reason: string) => void;
}

export class EfProcess {
	readonly #options: EfProcessOptions;
	readonly #liveness = new Liveness();
	#config: EfConfig;
	#control: Control | undefined;
	#engine: OpenEngine | undefined;
	#keys: Keys | undefined;

	private constructor(options: EfProcessOptions) {
		this.#options = options;
		this.#config = requireConfig(options.directory);
	}

	/** Resolves once packets and the agent are served. */
	static async start(options: EfProcessOptions): Promise<EfProcess> {
		const ef = new EfProcess(options);
		await ef.#open();
		return ef;
	}

	/** Gives everything up, and wipes all keys. */
	async close(): Promise<void> {
		this.#keys?.close();
		this.#control?.close();
		await this.#engine?.close();
	}

	async #open(): Promise<void> {
		const { directory, tuning, log, onEnd } = this.#options;
		/* First the door: whoever was here before gives its rings up. */
		const control = await Control.open({
			path: efFiles(directory).socket,
			report: () => this.#report(),
			onRequest: (request) => this.#asked(request),
		});
		this.#control = control;
		const opening = openEngine(this.#config.engine, {
			onEvent: (event) => this.#keys?.ran(event),
			onFailure: (error) => onEnd(`engine: ${error.message}`),
		});
		/* Loaded, which takes longest, while the engine's threads start. */
		const [engine, { Keys }] = await Promise.all([
			opening,
			import("./keys.js"),
		]);
		this.#engine = engine;
		log(`engine ${engine.kind}: ${this.#config.why}`);
		this.#keys = new Keys({
			...{ config: this.#config, directory, engine, log },
			...(tuning && { tuning }),
			onChange: () => control.tell(),
			onFailure: (error) => onEnd(error.message),
		});
		/* The configuration may be another one since. */
		this.#asked("reload");
	}

	#asked(request: EfRequest): void {
		const { directory, onEnd } = this.#options;
		if (request === "end") onEnd("it was asked to");
		else if (this.#keys) this.#configure(requireConfig(directory));
	}

	#configure(config: EfConfig): void {
		this.#config = config;
		this.#keys?.configure(config);
		const peers = Object.values(config.peers)
			.filter(({ linked }) => linked)
			.map(({ nodeId }) => nodeId);
		if (this.#liveness.expect(peers, performance.now())) this.#listen(peers);
	}

	#listen(peers: readonly number[]): void {
		this.#engine
			?.heartbeat({
				nodeId: this.#config.engine.nodeId,
				peers,
				intervalMs: BEAT_MS,
				onChange: (nodeId, alive) => {
					this.#liveness.change(nodeId, alive);
					this.#control?.tell();
				},
			})
			.catch((error: Error) =>
				this.#options.onEnd(`heartbeats: ${error.message}`),
			);
	}

	/** Undefined until the engine has said something. */
	#report(): EfReport | undefined {
		const [engine, keys] = [this.#engine, this.#keys];
		const usage = keys?.usage;
		if (!engine || !keys || !usage) return undefined;
		return {
			engine: { kind: engine.kind, why: this.#config.why },
			...keys.status,
			sas: keys.sas(),
			out: usage.out,
			in: usage.in,
			peers: this.#liveness.report(performance.now()),
		};
	}
}

function requireConfig(directory: string): EfConfig {
	const config = readConfig(directory);
	if (config) return config;
	throw new Error(
		`encryption function: ${efFiles(directory).config} is missing (the agent writes it, and starts this program)`,
	);
}
