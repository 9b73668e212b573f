/** The functions of a node: their runtimes, where their ports are, their health. */
import { ExternalRuntime } from "../functions/external.js";
import {
	type InstanceName,
	instanceKey,
	instanceTitle,
	portOfHostEnd,
	probeAddresses,
} from "../functions/names.js";
import {
	ProcessRuntime,
	type ProcessRuntimeOptions,
} from "../functions/process/runtime.js";
import type { PortAttachments, Runtime } from "../functions/runtime.js";
import { ipBatch, links } from "../kernel/ip.js";
import type { Port } from "../kernel/layout.gen.js";
import type { InstanceStatus } from "../plan/protocol.js";
import type { InstanceState, PathState } from "../plan/state.js";
import { type ProbeMap, Probes } from "./probes.js";
import { boundPaths, portEntries } from "./tables/paths.js";

export interface InstancesOptions extends ProcessRuntimeOptions {
	readonly probeMap: ProbeMap;
	/** Called at once when an instance's health changes. */
	readonly changed: () => void;
}

interface Known {
	readonly state: InstanceState;
	readonly ports: readonly PortAttachments[];
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
			try {
				await this.#runtimes[one.runtime].check(one);
			} catch (error) {
				found.push(named(one, error).message);
			}
		}
		return found;
	}

	async ensure(instance: InstanceState): Promise<void> {
		const before = this.#known.get(instanceKey(instance))?.state;
		if (before && before.runtime !== instance.runtime)
			await this.remove(instance);
		const ports = await this.#runtimes[instance.runtime]
			.ensure(instance)
			.catch((error: unknown) => {
				throw named(instance, error);
			});
		this.#known.set(instanceKey(instance), { state: instance, ports });
		this.#probes.ensure(instance, ports[0]);
	}

	async remove(name: InstanceName): Promise<void> {
		this.#probes.remove(name);
		const known = this.#known.get(instanceKey(name));
		this.#known.delete(instanceKey(name));
		await this.#runtimes[known?.state.runtime ?? "process"].remove(name);
	}

	/** By port id. */
	attachments(): Map<number, PortAttachments> {
		return new Map(
			[...this.#known.values()].flatMap(({ ports }) =>
				ports.map((port) => [port.id, port]),
			),
		);
	}

	/** Host ends of ports that are attached and no longer wanted. */
	staleEnds(wanted: readonly InstanceState[]): number[] {
		const ports = new Set(
			wanted.flatMap((one) => one.ports.map((port) => port.id)),
		);
		return [...this.attachments().values()]
			.filter((port) => !ports.has(port.id))
			.flatMap((port) =>
				"tap" in port ? [port.tap] : [port.inside, port.outside],
			)
			.map((end) => end.ifindex);
	}

	/** Content of the map `ports` for what is attached and wanted. */
	portEntries(
		paths: readonly PathState[],
		wanted: readonly InstanceState[],
	): [number, Port][] {
		const states = new Map(wanted.map((one) => [instanceKey(one), one]));
		return [...this.#known.values()].flatMap(({ state, ports }) =>
			ports.flatMap((port) => {
				const declared = states
					.get(instanceKey(state))
					?.ports.find((one) => one.id === port.id);
				if (!declared) return [];
				const { boundSpi } = declared;
				const probe = state.spec.probe
					? probeAddresses(port.id).dst
					: undefined;
				return portEntries(
					port,
					state.attach,
					boundPaths(port.id, boundSpi, paths),
					probe,
				);
			}),
		);
	}

	status(): InstanceStatus[] {
		return [...this.#known.values()].map(({ state }) => {
			const name = { function: state.function, instance: state.instance };
			const health = this.#runtimes[state.runtime].health(name) ?? {
				state: "down" as const,
				reason: "unknown to its runtime",
				restarts: 0,
			};
			return { ...name, ...this.#probes.judge(name, health) };
		});
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

/** The error with whose it is in front: a node has many functions. */
function named(name: InstanceName, error: unknown): Error {
	const cause = error instanceof Error ? error.message : String(error);
	return new Error(`${instanceTitle(name)}: ${cause}`, { cause: error });
}
