/** The engine an EF works with, opened on its interfaces. */
import { parseMac } from "../../wire/address.js";
import type { EfEngine, HeartbeatOptions } from "../ef/engine.js";
import type { SaEvent } from "../ef/sa.js";
import { UserspaceEngine } from "../ef/userspace.js";
import { XfrmEngine } from "../ef/xfrm.js";
import type { EfEngineConfig, EfSideConfig } from "./config.js";

export interface EngineEvents {
	readonly onEvent: (event: SaEvent) => void;
	/** It works no more, and lets nothing through. */
	readonly onFailure: (error: Error) => void;
}

/** An engine, and its way to hear those of other nodes. */
export type OpenEngine = EfEngine & {
	heartbeat(options: HeartbeatOptions): Promise<void>;
};

export function openEngine(
	config: EfEngineConfig,
	events: EngineEvents,
): Promise<OpenEngine> {
	const { kind, namespace, inside, outside } = config;
	const options = {
		netns: namespace,
		inside: sideOf(inside),
		outside: sideOf(outside),
		...events,
	};
	return kind === "xfrm"
		? XfrmEngine.open(options)
		: UserspaceEngine.open(options);
}

function sideOf({ src, dst, ...rest }: EfSideConfig) {
	return { ...rest, src: parseMac(src), dst: parseMac(dst) };
}
