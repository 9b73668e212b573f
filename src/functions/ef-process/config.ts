/**
 * What the agent tells the process of the node's encryption function (EF), by a
 * file that only root reads. There is no key in it.
 */
import { join } from "node:path";
import { readIfThere, writePrivate } from "../../kernel/files.js";
import type { EfEngineChoice } from "../../plan/ef.js";
import type { AucAddress } from "../../plan/protocol.js";

/** One side of the EF: a veth pair between the node and its namespace. */
export interface EfSideConfig {
	/** Interface in the EF's namespace. */
	readonly interface: string;
	/** MAC address frames leave with, and that of the pair's other end. */
	readonly src: string;
	readonly dst: string;
	readonly mtuBytes: number;
}

/** Whatever needs another engine where it changes. */
export interface EfEngineConfig {
	readonly kind: EfEngineChoice["kind"];
	readonly namespace: string;
	readonly nodeId: number;
	readonly inside: EfSideConfig;
	readonly outside: EfSideConfig;
}

export interface EfPeerConfig {
	readonly nodeId: number;
	/** Underlay address: where tunnels to it end. */
	readonly address: string;
	/** A sealed hop goes there: its EF shall be heard. */
	readonly linked: boolean;
}

export interface EfConfig {
	/** Of the node: also the EF's, in its certificate. */
	readonly node: string;
	readonly engine: EfEngineConfig;
	/** Why this engine. */
	readonly why: string;
	/** The node's underlay address: where tunnels begin. */
	readonly address: string;
	/** By the node's name. */
	readonly peers: Readonly<Record<string, EfPeerConfig>>;
	/** Absent until the controller has said where the centre is. */
	readonly auc?: Required<AucAddress>;
}

/** Names of the files in the EF's directory, which is mode 0700. */
export function efFiles(directory: string) {
	return {
		config: join(directory, "config.json"),
		/** Key and certificate of the EF. */
		identity: join(directory, "identity.json"),
		/** Key it enrols by; gone once it has served. */
		enrolKey: join(directory, "enrol.key"),
		/** Where it tells how it is. */
		socket: join(directory, "control.sock"),
	} as const;
}

/** Undefined where there is none. */
export function readConfig(directory: string): EfConfig | undefined {
	const text = readIfThere(efFiles(directory).config);
	return text === undefined ? undefined : (JSON.parse(text) as EfConfig);
}

export function writeConfig(directory: string, config: EfConfig): void {
	writePrivate(efFiles(directory).config, JSON.stringify(config));
}
