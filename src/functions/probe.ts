/**
 * Probes through a function: a packet given to its inside must come out of its
 * outside, where the port program counts it. Sans-IO: the clock, the counter
 * and the wire come from outside.
 */
import type { FunctionDocument } from "../model/intent.js";
import { echo, eth, ipv4, packet, raw, udp } from "../wire/build.js";
import { probeAddresses } from "./names.js";
import type { Attachment } from "./runtime.js";

type ProbeSpec = NonNullable<FunctionDocument["spec"]["probe"]>;

const INTERVAL_MS = 1000;
const MISSES = 3;
/** RFC 862: what a firewall that knows nothing of probes lets pass most likely. */
const ECHO_PORT = 7;

export interface ProbeTiming {
	readonly intervalMs: number;
	/** In a row, until the instance counts as down. */
	readonly misses: number;
}

export function probeTiming(spec: ProbeSpec): ProbeTiming {
	return {
		intervalMs: spec.intervalMs ?? INTERVAL_MS,
		misses: spec.misses ?? MISSES,
	};
}

/** The frame as the function receives it on its inside. */
export function probeFrame(
	port: number,
	inside: Attachment,
	spec: ProbeSpec,
): Buffer {
	const { src, dst } = probeAddresses(port);
	const payload =
		spec.proto === "icmp"
			? echo(port, 1)
			: udp({ sport: port, dport: spec.dport ?? ECHO_PORT });
	return packet(
		eth({ src: inside.hostMac, dst: inside.functionMac }),
		ipv4({ src, dst, ttl: 8 }),
		payload,
		raw(Buffer.from("chainmail probe")),
	);
}

/** What the port program saw: struct probe of bpf/maps.h. */
export interface Seen {
	readonly count: number;
	/** CLOCK_MONOTONIC, as process.hrtime. */
	readonly lastSeenNs: number;
}

export type ProbeState = "starting" | "up" | "down";

/** Judges one instance. Call `tick` once an interval, and send what it says. */
export class ProbeJudge {
	readonly #misses: number;
	#missed = 0;
	#count: number | undefined;
	#sentNs = 0;
	#state: ProbeState = "starting";
	#rttUs: number | undefined;

	constructor(timing: ProbeTiming) {
		this.#misses = timing.misses;
	}

	get state(): ProbeState {
		return this.#state;
	}

	/** Round trip of the newest probe that came through, in microseconds. */
	get rttUs(): number | undefined {
		return this.#rttUs;
	}

	/**
	 * `seen` is what the port has seen by now; the next probe leaves at `nowNs`.
	 * Returns whether the state changed.
	 */
	tick(seen: Seen, nowNs: number): boolean {
		const before = this.#state;
		if (this.#count !== undefined) this.#judge(seen);
		this.#count = seen.count;
		this.#sentNs = nowNs;
		return this.#state !== before;
	}

	#judge(seen: Seen): void {
		if (seen.count !== this.#count) {
			this.#missed = 0;
			this.#state = "up";
			/* A late answer to an older probe tells no time. */
			if (seen.lastSeenNs >= this.#sentNs)
				this.#rttUs = (seen.lastSeenNs - this.#sentNs) / 1000;
			return;
		}
		this.#missed++;
		if (this.#missed < this.#misses) return;
		this.#state = "down";
		this.#rttUs = undefined;
	}
}
