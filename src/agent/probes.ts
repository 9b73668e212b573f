/**
 * Probes of all instances that declare one: one timer and one system call for
 * all that are due, so that every ten milliseconds is often enough to be cheap.
 */
import { type InstanceName, instanceKey } from "../functions/names.js";
import {
	ProbeJudge,
	probeFrame,
	probeTiming,
	type Seen,
} from "../functions/probe.js";
import type { Health, PortAttachments } from "../functions/runtime.js";
import { Frame, FrameSocket } from "../kernel/frames.js";
import type { Probe } from "../kernel/layout.gen.js";
import type { InstanceStatus } from "../plan/protocol.js";
import type { InstanceState } from "../plan/state.js";

/** Counts of probes by port id: the map `probes`. */
export interface ProbeMap {
	get(port: number): Probe | undefined;
}

const NOTHING: Seen = { count: 0, lastSeenNs: 0 };

interface Probed {
	readonly declared: string;
	readonly judge: ProbeJudge;
	readonly port: number;
	readonly frame: Frame;
	readonly intervalMs: number;
	dueMs: number;
}

export class Probes {
	readonly #probed = new Map<string, Probed>();
	#socket: FrameSocket | undefined;
	#timer: NodeJS.Timeout | undefined;
	#everyMs = 0;

	/** `netns`: the node's; `changed`: called when a probe's judgement changes. */
	constructor(
		readonly map: ProbeMap,
		readonly netns: string | undefined,
		readonly changed: () => void,
	) {}

	/** Starts probing, goes on, or stops, as declared. A tap cannot be probed. */
	ensure(instance: InstanceState, port: PortAttachments | undefined): void {
		const spec = instance.spec.probe;
		if (!spec || !port || !("inside" in port)) {
			this.remove(instance);
			return;
		}
		const key = instanceKey(instance);
		const declared = JSON.stringify([spec, port]);
		if (this.#probed.get(key)?.declared === declared) return;
		const timing = probeTiming(spec);
		const frame = probeFrame(port.id, port.inside, spec);
		this.#probed.set(key, {
			declared,
			judge: new ProbeJudge(timing),
			port: port.id,
			frame: new Frame(port.inside.ifindex, frame),
			intervalMs: timing.intervalMs,
			dueMs: 0,
		});
		this.#pace();
	}

	remove(name: InstanceName): void {
		if (this.#probed.delete(instanceKey(name))) this.#pace();
	}

	/** What the runtime says, overruled by a probe that says otherwise. */
	judge(
		name: InstanceName,
		health: Health,
	): Omit<InstanceStatus, keyof InstanceName> {
		const judge = this.#probed.get(instanceKey(name))?.judge;
		if (!judge || health.state === "down") return health;
		if (judge.state === "down")
			return {
				...health,
				state: "down",
				reason: "probe: no answer through the function",
			};
		if (judge.state === "starting")
			return { ...health, state: "starting", reason: "probe" };
		const { rttUs } = judge;
		return {
			...health,
			reason: "probe",
			...(rttUs !== undefined && { probeUs: rttUs }),
		};
	}

	close(): void {
		this.#probed.clear();
		this.#pace();
	}

	/** The timer goes at the pace of whoever is probed most often. */
	#pace(): void {
		const paces = [...this.#probed.values()].map((one) => one.intervalMs);
		const everyMs = paces.length === 0 ? 0 : Math.min(...paces);
		if (everyMs === this.#everyMs) return;
		this.#everyMs = everyMs;
		clearInterval(this.#timer);
		if (everyMs === 0) {
			this.#socket?.close();
			this.#socket = undefined;
			return;
		}
		this.#socket ??= new FrameSocket(this.netns);
		this.#timer = setInterval(() => this.#tick(), everyMs);
	}

	#tick(): void {
		const nowMs = performance.now();
		/* Timers are late by a moment, never by half a turn. */
		const soonMs = nowMs + this.#everyMs / 2;
		const due = [...this.#probed.values()].filter((one) => one.dueMs <= soonMs);
		const seen = due.map(({ port }) => this.map.get(port) ?? NOTHING);
		const nowNs = Number(process.hrtime.bigint());
		let isOther = false;
		due.forEach((one, i) => {
			one.dueMs = nowMs + one.intervalMs;
			if (one.judge.tick(seen[i] ?? NOTHING, nowNs)) isOther = true;
		});
		this.#socket?.send(due.map(({ frame }) => frame));
		if (isOther) this.changed();
	}
}
