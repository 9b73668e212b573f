/** The engine an EF works with, opened on its interfaces. */
import type { EfEngineChoice } from "../../plan/ef.js";
import { parseMac } from "../../wire/address.js";
import type { EfEngine, HeartbeatOptions } from "../ef/engine.js";
import type { SaEvent } from "../ef/sa.js";
import { UserspaceEngine } from "../ef/userspace.js";
import type { EfEngineConfig, EfSideConfig } from "./config.js";
import { BEAT_MS } from "./liveness.js";

export interface EngineEvents {
	readonly onEvent: (event: SaEvent) => void;
	/** It works no more, and lets nothing through. */
	readonly onFailure: (error: Error) => void;
}

export interface OpenedEngine {
	readonly engine: EfEngine;
	readonly choice: EfEngineChoice;
	/** Sends heartbeats to these nodes alone, and listens to theirs. */
	readonly beat: (
		peers: readonly number[],
		onChange: HeartbeatOptions["onChange"],
	) => Promise<void>;
}

export async function openEngine(
	config: EfEngineConfig,
	events: EngineEvents,
): Promise<OpenedEngine> {
	const { namespace, nodeId, inside, outside } = config;
	const engine = await UserspaceEngine.open({
		netns: namespace,
		inside: sideOf(inside),
		outside: sideOf(outside),
		...events,
	});
	return {
		engine,
		choice: { kind: engine.kind, why: "this version has no other" },
		beat: (peers, onChange) =>
			engine.heartbeat({ nodeId, peers, intervalMs: BEAT_MS, onChange }),
	};
}

function sideOf({ src, dst, ...rest }: EfSideConfig) {
	return { ...rest, src: parseMac(src), dst: parseMac(dst) };
}
