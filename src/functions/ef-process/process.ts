/**
 * The process of a node's encryption function (EF): engine, keys, and a door for
 * the agent, put together. It needs neither agent nor controller to go on.
 */
import { randomBytes } from "node:crypto";
import { Ef } from "../../keys/ef.js";
import { TUNING, type Tuning } from "../../keys/tuning.js";
import { Centre } from "./centre.js";
import { type EfConfig, efFiles, readConfig } from "./config.js";
import { Control } from "./control.js";
import { openEngine } from "./engine.js";
import { Keeper } from "./keeper.js";
import { Liveness } from "./liveness.js";
import { Peers } from "./peers.js";
import type { EfReport } from "./report.js";

export interface EfProcessOptions {
	/** Of the EF's files, mode 0700. */
	readonly directory: string;
	readonly tuning?: Tuning;
	/** One line of what happens, without secrets. */
	readonly log: (line: string) => void;
	/** It works no more: whoever started it starts another. */
	readonly onEnd: (reason: string) => void;
}

/** Starts it; resolves once packets and the agent are served. */
export async function startEf(
	options: EfProcessOptions,
): Promise<{ close(): Promise<void> }> {
	const { directory, log, onEnd } = options;
	const config = requireConfig(directory);
	const peers = new Peers(config);
	/* First the door: whoever was here before gives its rings up. */
	let report: () => EfReport | undefined = () => undefined;
	let reload = () => {};
	const control = await Control.open({
		path: efFiles(directory).socket,
		report: () => report(),
		onRequest: (request) =>
			request === "reload" ? reload() : onEnd("it was asked to"),
	});
	let keeper: Keeper | undefined;
	const { engine, choice, beat } = await openEngine(config.engine, {
		onEvent: (event) => keeper?.ran(event),
		onFailure: (error) => onEnd(`engine: ${error.message}`),
	});
	log(`engine ${choice.kind}: ${choice.why}`);
	const centre = new Centre({
		ef: config.node,
		directory,
		onOpen: () => keeper?.opened(),
		onMessage: (bytes) => keeper?.hear(bytes),
		onLost: () => keeper?.lost(),
		onChange: () => {
			const { problem } = centre.status;
			if (problem) log(problem);
			control.tell();
		},
	});
	const keys = new Keeper({
		ef: new Ef({
			tuning: options.tuning ?? TUNING,
			random: randomBytes,
			nowMs: performance.now(),
		}),
		engine,
		tunnel: (peer) => peers.tunnel(peer),
		send: (message) => centre.send(message),
		onUnknown: () => centre.refuse(),
		onChange: () => control.tell(),
		onFailure: (error) => onEnd(error.message),
	});
	keeper = keys;
	report = () => {
		const { usage, connected } = keys;
		if (!usage) return undefined;
		const { out, in: opened } = usage;
		return {
			...{ engine: choice, ...centre.status, connected },
			...{ sas: keys.sas(), out, in: opened },
			peers: liveness.report(performance.now()),
		};
	};
	const liveness = new Liveness();
	const configure = (next: EfConfig): void => {
		peers.set(next);
		centre.configure(next.auc);
		const linked = Object.values(next.peers).filter(({ linked }) => linked);
		const ids = linked.map(({ nodeId }) => nodeId);
		if (!liveness.expect(ids, performance.now())) return;
		beat(ids, (nodeId, alive) => {
			liveness.change(nodeId, alive);
			control.tell();
		}).catch((error: Error) => onEnd(`heartbeats: ${error.message}`));
	};
	reload = () => configure(requireConfig(directory));
	/* It may be another one since. */
	reload();
	return {
		async close() {
			centre.close();
			keys.close();
			control.close();
			await engine.close();
		},
	};
}

function requireConfig(directory: string): EfConfig {
	const config = readConfig(directory);
	if (config) return config;
	throw new Error(
		`encryption function: ${efFiles(directory).config} is missing (the agent writes it, and starts this program)`,
	);
}
