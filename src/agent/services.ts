/**
 * What the proxy may learn from each function here, and the generation that
 * makes it forget: one write for any number of flows.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type InstanceName, instanceKey } from "../functions/names.js";
import type { Learnable } from "../functions/process/learnable.js";
import {
	type Beat,
	Limits,
	Offload,
	type Service,
	ServiceFlags,
} from "../kernel/layout.gen.js";
import type { ServiceState } from "../plan/service.js";
import { type EpochMap, nextEpoch } from "./tables/epochs.js";
import type { Table } from "./tables/sync.js";

export interface ServiceMaps {
	readonly services: Table<number, Service>;
	readonly epochs: EpochMap;
	/** When another node was last let past functions of this one. */
	readonly granted: Table<number, Beat>;
}

/** For ticks of the kernel's clock, and packets on their way. */
const MARGIN_MS = 20;

const OFFLOAD: Record<Learnable, number> = {
	none: Offload.NONE,
	verdict: Offload.VERDICT,
	rewrite: Offload.REWRITE,
};

export class Services {
	readonly #maps: ServiceMaps;
	readonly #quiesce: () => void;
	/** Port ids by instance. */
	readonly #ports = new Map<string, readonly number[]>();
	/** Ports whose functions may be skipped. */
	readonly #active = new Set<number>();
	#changed = false;
	#settling = Promise.resolve();

	/** `quiesce` returns once no program can still act on what was written over. */
	constructor(maps: ServiceMaps, quiesce: () => void) {
		this.#maps = maps;
		this.#quiesce = quiesce;
	}

	/** Puts in force what is declared; a change forgets all verdicts. */
	ensure(
		name: InstanceName,
		ports: readonly number[],
		service: ServiceState,
		learnable: Learnable,
	): void {
		this.#ports.set(instanceKey(name), ports);
		for (const port of ports) {
			const before = this.#maps.services.get(port);
			const wanted = serviceValue(service, learnable, before);
			if (before && same(before, wanted)) this.#note(port, wanted);
			else this.#set(port, wanted);
		}
	}

	portsOf(name: InstanceName): readonly number[] {
		return this.#ports.get(instanceKey(name)) ?? [];
	}

	/** Whether a port was marked as down, also by an agent before this one. */
	isDown(port: number): boolean {
		return (
			((this.#maps.services.get(port)?.flags ?? 0) & ServiceFlags.DOWN) !== 0
		);
	}

	/** Puts `enum service_flags` in force; a change forgets all verdicts. */
	mark(port: number, flags: number): void {
		const service = this.#maps.services.get(port);
		if (service && service.flags !== flags)
			this.#set(port, { ...service, flags });
	}

	/** Forgets what the function has said of any flow; it holds once settled. */
	forget(name: InstanceName): void {
		for (const port of this.portsOf(name)) {
			const service = this.#maps.services.get(port);
			if (service) this.#set(port, service);
		}
	}

	/** Lets nothing be learned, nor packets skip, until ensure() says so again. */
	suspend(name: InstanceName): void {
		for (const port of this.portsOf(name)) {
			const service = this.#maps.services.get(port);
			if (service && service.offload !== Offload.NONE)
				this.#set(port, { ...service, offload: Offload.NONE });
		}
	}

	/** Returns once nobody acts on what was changed, here or on another node. */
	settled(): Promise<void> {
		if (this.#changed) {
			this.#changed = false;
			this.#settling = Promise.all([this.#settling, this.#lapse()]).then();
		}
		return this.#settling;
	}

	async #lapse(): Promise<void> {
		this.#quiesce();
		const grantedMs = (this.#maps.granted.get(0)?.lastNs ?? 0) / 1e6;
		const nowMs = Number(process.hrtime.bigint() / 1000n) / 1000;
		const leftMs = grantedMs + Limits.LEASE_MS + MARGIN_MS - nowMs;
		if (leftMs > 0) await delay(leftMs);
	}

	remove(name: InstanceName): void {
		for (const port of this.portsOf(name)) {
			const service = this.#maps.services.get(port);
			if (service)
				this.#set(port, { ...service, flags: 0, offload: Offload.NONE });
		}
		this.#ports.delete(instanceKey(name));
	}

	/** What the port's states and the flows' shortcuts say holds no more. */
	#set(port: number, service: Service): void {
		const { services, epochs } = this.#maps;
		services.set(port, {
			...service,
			generation: nextGeneration(services.get(port)),
		});
		this.#changed = true;
		this.#note(port, service);
		nextEpoch(epochs);
	}

	#note(port: number, service: Service): void {
		if (service.offload !== Offload.NONE || service.flags !== 0)
			this.#active.add(port);
		else this.#active.delete(port);
		const learning = this.#active.size > 0;
		const { epochs } = this.#maps;
		if (Boolean(epochs.get(0)?.learning) !== learning)
			nextEpoch(epochs, learning);
	}
}

function serviceValue(
	service: ServiceState,
	learnable: Learnable,
	before: Service | undefined,
): Service {
	return {
		generation: before?.generation ?? 0,
		flags: before?.flags ?? 0,
		offload: OFFLOAD[learnable],
		learnAfter: service.learnAfter,
		deadlineMs: service.deadlineMs,
		denyMs: service.denyMs,
		revalidateMs: service.revalidateMs,
		idleTcpMs: service.idleMs.tcp,
		idleUdpMs: service.idleMs.udp,
	};
}

function same(a: Service, b: Service): boolean {
	return (Object.keys(a) as (keyof Service)[]).every(
		(key) => a[key] === b[key],
	);
}

/** Never 0, which states of a port without a service have. */
function nextGeneration(service: Service | undefined): number {
	return ((service?.generation ?? 0) % 0xffff_ffff) + 1;
}
