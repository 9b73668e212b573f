/** Probes of all instances that declare one, each at its own pace. */
import { type InstanceName, instanceKey } from "../functions/names.js";
import { ProbeJudge, probeFrame, probeTiming } from "../functions/probe.js";
import type { Health, PortAttachments } from "../functions/runtime.js";
import type { Probe } from "../kernel/layout.gen.js";
import { RawSocket } from "../kernel/rawsocket.js";
import type { InstanceStatus } from "../plan/protocol.js";
import type { InstanceState } from "../plan/state.js";

/** Counts of probes by port id: the map `probes`. */
export interface ProbeMap {
	get(port: number): Probe | undefined;
}

interface Running {
	readonly declared: string;
	readonly judge: ProbeJudge;
	readonly stop: () => void;
}

export class Probes {
	readonly #running = new Map<string, Running>();

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
		const declared = JSON.stringify([spec, port]);
		if (this.#running.get(instanceKey(instance))?.declared === declared) return;
		this.remove(instance);
		const timing = probeTiming(spec);
		const judge = new ProbeJudge(timing);
		const socket = new RawSocket(port.inside.name, this.netns);
		const frame = probeFrame(port.id, port.inside, spec);
		const timer = setInterval(() => {
			const seen = this.map.get(port.id) ?? { count: 0, lastSeenNs: 0 };
			const changed = judge.tick(seen, Number(process.hrtime.bigint()));
			trySend(socket, frame);
			if (changed) this.changed();
		}, timing.intervalMs);
		const stop = (): void => {
			clearInterval(timer);
			socket.close();
		};
		this.#running.set(instanceKey(instance), { declared, judge, stop });
	}

	remove(name: InstanceName): void {
		this.#running.get(instanceKey(name))?.stop();
		this.#running.delete(instanceKey(name));
	}

	/** What the runtime says, overruled by a probe that says otherwise. */
	judge(
		name: InstanceName,
		health: Health,
	): Omit<InstanceStatus, keyof InstanceName> {
		const judge = this.#running.get(instanceKey(name))?.judge;
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
		for (const { stop } of this.#running.values()) stop();
		this.#running.clear();
	}
}

/** An interface that is down or gone is a missed probe, not the agent's end. */
function trySend(socket: RawSocket, frame: Buffer): void {
	try {
		socket.send(frame);
	} catch (error) {
		if ((error as { code?: string }).code === undefined) throw error;
	}
}
