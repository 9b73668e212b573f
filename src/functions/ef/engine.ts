/**
 * What every engine of an encryption function can do, whether packets are
 * encrypted here or in the kernel. test/ef/conformance.ts is what it must pass.
 */
import type { Heartbeats } from "./heartbeat.js";
import type { Refusals } from "./refusal.js";
import type { SaDirection, SaSpec, SaUsage } from "./sa.js";

/** Packets of one direction that came out, their bytes, and those that did not. */
export interface EfTraffic {
	readonly packets: number;
	/** Of the IP packets inside. */
	readonly bytes: number;
	readonly refused: Refusals;
}

export interface EfUsage {
	readonly out: EfTraffic;
	readonly in: EfTraffic;
	readonly sas: readonly SaUsage[];
}

export interface HeartbeatOptions extends Heartbeats {
	readonly onChange: (nodeId: number, alive: boolean) => void;
}

export interface EfEngine {
	readonly kind: "userspace" | "xfrm";
	/**
	 * Takes an SA and wipes its secrets, also when it refuses. An `out` SA takes
	 * the place of the one that served its path, between two packets.
	 */
	install(spec: SaSpec): Promise<void>;
	/** Wipes an SA and tells what it has carried; undefined where there is none. */
	remove(direction: SaDirection, spi: number): Promise<SaUsage | undefined>;
	usage(): Promise<EfUsage>;
	/** Stops, and wipes all keys. */
	close(): Promise<void>;
}
