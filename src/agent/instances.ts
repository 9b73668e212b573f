/** The functions of a node: their runtimes, where their ports are, their health. */
import { join } from "node:path";
import { ExternalRuntime } from "../functions/external.js";
import {
	type InstanceName,
	instanceKey,
	instanceTitle,
	portOfHostEnd,
	probeAddresses,
} from "../functions/names.js";
import type { Learnable } from "../functions/process/learnable.js";
import {
	ProcessRuntime,
	type ProcessRuntimeOptions,
} from "../functions/process/runtime.js";
import {
	type BeforeUp,
	endsOf,
	type PortAttachments,
	type Runtime,
} from "../functions/runtime.js";
import { ipBatch, links } from "../kernel/ip.js";
import type { Port } from "../kernel/layout.gen.js";
import type { InstanceStatus } from "../plan/protocol.js";
import { serviceOf } from "../plan/service.js";
import type { InstanceState, PathState } from "../plan/state.js";
import { type ProbeMap, Probes } from "./probes.js";
import { type Attachments, boundPaths, portEntries } from "./tables/paths.js";

/** How often one that is down is brought to what is declared. */
const RETRY_MS = 5000;

/** Where functions keep their logs and identities, in a node's state directory. */
export function functionsDirectory(stateDir: string): string {
	return join(stateDir, "functions");
}

export interface InstancesOptions extends ProcessRuntimeOptions {
	readonly probeMap: ProbeMap;
	/** Called at once when an instance's health changes. */
	readonly changed: () => void;
}

interface Known {
	readonly state: InstanceState;
	readonly ports: readonly PortAttachments[];
	/** When it was last brought to what is declared, or could not be. */
	readonly atMs: number;
	/** Why it is down: it could not be brought up. */
	readonly failure?: string;
}

export interface KnownInstance {
	readonly state: InstanceState;
	readonly ports: readonly PortAttachments[];
	readonly status: InstanceStatus;
}

export class Instances {
	readonly #process: ProcessRuntime;
	readonly #runtimes: Record<InstanceState["runtime"], Runtime>;
	readonly #options: InstancesOptions;
	readonly #probes: Probes;
	readonly #known = new Map<string, Known>();

	constructor(options: InstancesOptions) {
		this.#options = options;
		this.#process = new ProcessRuntime({
			...options,
			notify: (name, kind, message) => {
				options.notify(name, kind, message);
				options.changed();
			},
		});
		this.#runtimes = {
			process: this.#process,
			external: new ExternalRuntime(options.netns),
		};
		this.#probes = new Probes(options.probeMap, options.netns, options.changed);
	}

	/** Why some cannot work as declared, each by its name; changes nothing. */
	async faults(instances: readonly InstanceState[]): Promise<string[]> {
		const found: string[] = [];
		for (const one of instances) {
			const before = this.#known.get(instanceKey(one))?.state;
			if (JSON.stringify(before) === JSON.stringify(one)) continue;
			if (this.#isDownAs(one)) continue;
			try {
				await this.#runtimes[one.runtime].check(one);
			} catch (error) {
				found.push(named(one, error).message);
			}
		}
		return found;
	}

	/**
	 * `mayFail`: an instance that does counts as down, and nothing is thrown; so
	 * does one that is down as it is declared, whatever ports it gets or loses.
	 */
	async ensure(
		instance: InstanceState,
		beforeUp: BeforeUp,
		mayFail = false,
	): Promise<void> {
		const key = instanceKey(instance);
		const before = this.#known.get(key);
		const tolerated = mayFail || this.#isDownAs(instance);
		let ports: readonly PortAttachments[] = [];
		try {
			if (before && before.state.runtime !== instance.runtime)
				await this.remove(instance);
			await this.#runtimes[instance.runtime].ensure(instance, (made) => {
				ports = made;
				beforeUp(made);
			});
		} catch (error) {
			if (!tolerated) throw named(instance, error);
			this.#failed(instance, ports, messageOf(error));
			return;
		}
		this.#known.set(key, { state: instance, ports, atMs: performance.now() });
		this.#probes.ensure(instance, ports[0]);
		if (before?.failure)
			this.#options.notify(instance, "instance", "is brought up after all");
	}

	#failed(
		state: InstanceState,
		ports: readonly PortAttachments[],
		reason: string,
	): void {
		const before = this.#known.get(instanceKey(state))?.failure;
		const atMs = performance.now();
		this.#known.set(instanceKey(state), {
			state,
			ports,
			atMs,
			failure: reason,
		});
		this.#probes.remove(state);
		if (before !== reason) this.#options.notify(state, "instance", reason);
	}

	/** Keys of instances that are down, and were not tried for a while. */
	due(): Set<string> {
		const untilMs = performance.now() - RETRY_MS;
		return new Set(
			[...this.#known]
				.filter(
					([, { state, failure, atMs }]) =>
						atMs <= untilMs && this.#status(state, failure).state === "down",
				)
				.map(([key]) => key),
		);
	}

	#isDownAs(instance: InstanceState): boolean {
		const known = this.#known.get(instanceKey(instance));
		return known?.failure !== undefined && sameBut(known.state, instance);
	}

	async remove(name: InstanceName): Promise<void> {
		this.#probes.remove(name);
		const known = this.#known.get(instanceKey(name));
		this.#known.delete(instanceKey(name));
		await this.#runtimes[known?.state.runtime ?? "process"].remove(name);
	}

	/** What a proxy may learn from an instance, as declared or as it is found. */
	async learnable(instance: InstanceState): Promise<Learnable> {
		const { offload } = serviceOf(instance.spec);
		if (offload !== "auto") return offload;
		if (this.#known.get(instanceKey(instance))?.failure) return "none";
		return this.#process.learnable(instance);
	}

	/** By port id; null for ports of instances that failed. */
	attachments(): Attachments {
		const found = new Map<number, PortAttachments | null>();
		for (const { state, ports, failure } of this.#known.values())
			if (failure) for (const { id } of state.ports) found.set(id, null);
			else for (const port of ports) found.set(port.id, port);
		return found;
	}

	/** Host ends of ports that are attached and no longer wanted. */
	staleEnds(wanted: readonly InstanceState[]): number[] {
		const ids = new Set(
			wanted.flatMap((one) => one.ports.map((port) => port.id)),
		);
		return [...this.#known.values()].flatMap(({ ports }) =>
			ports
				.filter((port) => !ids.has(port.id))
				.flatMap((port) => endsOf(port).map((end) => end.ifindex)),
		);
	}

	/** Content of the map `ports` for what is attached and wanted. */
	portEntries(
		paths: readonly PathState[],
		wanted: readonly InstanceState[],
	): [number, Port][] {
		return wanted.flatMap((one) => {
			const known = this.#known.get(instanceKey(one));
			return known ? instancePorts(one, known.ports, paths) : [];
		});
	}

	/** Names of the node's interfaces that belong to functions. */
	async ends(): Promise<Set<string>> {
		const present = await links(this.#options.netns);
		return new Set([
			...present
				.map(({ ifname }) => ifname)
				.filter((name) => portOfHostEnd(name) !== undefined),
			...[...this.#known.values()].flatMap(({ ports }) =>
				ports.flatMap((port) => endsOf(port).map((end) => end.name)),
			),
		]);
	}

	/** Every instance, with its ports as far as they are there. */
	known(): KnownInstance[] {
		return [...this.#known.values()].map(({ state, ports, failure }) => ({
			state,
			ports: failure ? [] : ports,
			status: this.#status(state, failure),
		}));
	}

	#status(state: InstanceState, failure: Known["failure"]): InstanceStatus {
		const name = { function: state.function, instance: state.instance };
		if (failure)
			return { ...name, state: "down", reason: failure, restarts: 0 };
		const health = this.#runtimes[state.runtime].health(name) ?? {
			state: "down" as const,
			reason: "unknown to its runtime",
			restarts: 0,
		};
		return { ...name, ...this.#probes.judge(name, health) };
	}

	/** Removes what former runs left and nobody wants: namespaces, host ends. */
	async sweep(wanted: readonly InstanceState[]): Promise<string[]> {
		const namespaces = this.#process.orphans(
			wanted.filter((one) => one.runtime === "process"),
		);
		for (const name of namespaces) await this.#process.removeOrphan(name);
		const ports = new Set(
			wanted.flatMap((one) => one.ports.map((port) => port.id)),
		);
		const ends = (await links(this.#options.netns))
			.map((link) => link.ifname)
			.filter(
				(name) =>
					!ports.has(portOfHostEnd(name) ?? 0) &&
					portOfHostEnd(name) !== undefined,
			);
		await ipBatch(
			ends.map((name) => ["link", "del", "dev", name]),
			this.#options.netns,
		);
		return [...namespaces, ...ends];
	}

	/** Functions run on. */
	close(): void {
		this.#probes.close();
		for (const runtime of Object.values(this.#runtimes)) runtime.close();
	}
}

/** Entries of the map `ports` for an instance's ports, as far as they are declared. */
export function instancePorts(
	instance: InstanceState,
	ports: readonly PortAttachments[],
	paths: readonly PathState[],
): [number, Port][] {
	const declared = new Map(instance.ports.map((port) => [port.id, port]));
	return ports.flatMap((port) => {
		const one = declared.get(port.id);
		if (!one) return [];
		const bound = boundPaths(port.id, one.boundSpi, paths);
		const probe = instance.spec.probe ? probeAddresses(port.id).dst : undefined;
		return portEntries(port, instance.attach, bound, probe);
	});
}

/** Declared alike, whatever ports each has. */
function sameBut(a: InstanceState, b: InstanceState): boolean {
	return (
		JSON.stringify({ ...a, ports: [] }) === JSON.stringify({ ...b, ports: [] })
	);
}

/** The error with whose it is in front: a node has many functions. */
function named(name: InstanceName, error: unknown): Error {
	return new Error(`${instanceTitle(name)}: ${messageOf(error)}`, {
		cause: error,
	});
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
