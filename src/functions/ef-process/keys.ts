/** An engine's keys and where they come from: the centre, the machine, the peers. */
import { randomBytes } from "node:crypto";
import { Ef } from "../../keys/ef.js";
import { TUNING, type Tuning } from "../../keys/tuning.js";
import type { EfEngine, EfUsage } from "../ef/engine.js";
import type { SaEvent } from "../ef/sa.js";
import { Centre, type CentreStatus } from "./centre.js";
import type { EfConfig } from "./config.js";
import { Keeper } from "./keeper.js";
import { Peers } from "./peers.js";
import type { ReportedSa } from "./report.js";

export interface KeysOptions {
	readonly config: EfConfig;
	/** Of the EF's files. */
	readonly directory: string;
	readonly engine: EfEngine;
	readonly tuning?: Tuning;
	readonly log: (line: string) => void;
	/** What `status`, `sas` or `usage` say is another. */
	readonly onChange: () => void;
	/** The engine works no more. */
	readonly onFailure: (error: Error) => void;
}

export interface KeysStatus extends CentreStatus {
	/** In a session with the centre. */
	readonly connected: boolean;
}

export class Keys {
	readonly #peers: Peers;
	readonly #centre: Centre;
	readonly #keeper: Keeper;

	constructor(options: KeysOptions) {
		const { config, directory, engine, log, onChange, onFailure } = options;
		this.#peers = new Peers(config);
		this.#centre = new Centre({
			ef: config.node,
			directory,
			onOpen: () => this.#keeper.opened(),
			onMessage: (bytes) => this.#keeper.hear(bytes),
			onLost: () => this.#keeper.lost(),
			onChange: () => {
				const { problem } = this.#centre.status;
				if (problem) log(problem);
				onChange();
			},
		});
		this.#keeper = new Keeper({
			ef: new Ef({
				tuning: options.tuning ?? TUNING,
				random: randomBytes,
				nowMs: performance.now(),
			}),
			engine,
			tunnel: (peer) => this.#peers.tunnel(peer),
			send: (message) => this.#centre.send(message),
			onUnknown: () => this.#centre.refuse(),
			onChange,
			onFailure,
		});
	}

	/** What the agent has said; a key to enrol by may have come as well. */
	configure(config: EfConfig): void {
		this.#peers.set(config);
		this.#centre.configure(config.auc);
	}

	get status(): KeysStatus {
		return { ...this.#centre.status, connected: this.#keeper.connected };
	}

	sas(): ReportedSa[] {
		return this.#keeper.sas();
	}

	/** As the engine last said; undefined before the first time. */
	get usage(): EfUsage | undefined {
		return this.#keeper.usage;
	}

	/** The engine tells that an SA runs out, or has. */
	ran(event: SaEvent): void {
		this.#keeper.ran(event);
	}

	close(): void {
		this.#centre.close();
		this.#keeper.close();
	}
}
