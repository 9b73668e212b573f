/** Where the EFs of other nodes are, by the node's name, as the agent last said. */
import type { EfConfig } from "./config.js";

/** Keys for a new node may come before the agent has said where it is. */
const PATIENCE_MS = 2000;

export interface Tunnel {
	/** Underlay addresses. */
	readonly src: string;
	readonly dst: string;
}

export class Peers {
	#config: Pick<EfConfig, "address" | "peers">;
	#waiting: (() => void)[] = [];

	constructor(config: Pick<EfConfig, "address" | "peers">) {
		this.#config = config;
	}

	set(config: Pick<EfConfig, "address" | "peers">): void {
		this.#config = config;
		for (const wake of this.#waiting.splice(0)) wake();
	}

	/** Of a tunnel with this node; undefined where nobody says so for a while. */
	async tunnel(peer: string): Promise<Tunnel | undefined> {
		const untilMs = performance.now() + PATIENCE_MS;
		for (;;) {
			const { address, peers } = this.#config;
			const found = peers[peer];
			if (found) return { src: address, dst: found.address };
			const leftMs = untilMs - performance.now();
			if (leftMs <= 0) return undefined;
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, leftMs);
				this.#waiting.push(() => {
					clearTimeout(timer);
					resolve();
				});
			});
		}
	}
}
